/** The end of the process, for its supervisor to start it again. */
import process from "node:process";

/** EX_SOFTWARE of sysexits.h. */
const STATUS = 70;
/** How long the log has until then. In milliseconds. */
const LAST_WORDS = 100;
/** Node's `exit` waits for all threads, and so for ever for one that cannot be ended. */
const EXIT_WAITS = !("deno" in process.versions || "bun" in process.versions);

/** Ends the process with status 70; on Node by SIGKILL. */
export function endProcess(): void {
  setTimeout(() => {
    if (EXIT_WAITS) process.kill(process.pid, "SIGKILL");
    else process.exit(STATUS);
  }, LAST_WORDS);
}
