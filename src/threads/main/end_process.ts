/** The end of the process, for its supervisor to start it again. */
import process from "node:process";

/** EX_SOFTWARE of sysexits.h. */
const STATUS = 70;
/** How long the process goes on, so that the log is written. In milliseconds. */
const LOG_TIME = 100;
/** On Node, `process.exit` waits for all threads to end, and so would wait for ever for a thread that cannot be ended. */
const EXIT_WAITS_FOR_THREADS = !("deno" in process.versions || "bun" in process.versions);

/** Ends the process with status 70; on Node by SIGKILL. */
export function endProcess(): void {
  setTimeout(() => {
    if (EXIT_WAITS_FOR_THREADS) process.kill(process.pid, "SIGKILL");
    else process.exit(STATUS);
  }, LOG_TIME);
}
