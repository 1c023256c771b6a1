// What a process takes: its time on a core, its memory, its threads. From Linux's /proc.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { setTimeout as after } from "node:timers/promises";

let ticks = 0;

/**
 * What a process has run so far, user and system, for `cpuBetween`.
 * @returns {{ ticks: number, threads: Map<string, number> }} `ticks`: of the whole process, ended threads too, but in steps of 10 ms;
 * `threads`: nanoseconds of each that lives
 */
export function cpuNow(pid) {
  const threads = new Map();
  for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
    try {
      threads.set(thread, Number(fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]));
    } catch {
      // It has just ended; or this kernel counts no nanoseconds.
    }
  }
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is a name in parentheses, which may contain anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { ticks: Number(fields[11]) + Number(fields[12]), threads };
}

/** Ticks by which a process's time may differ from that of its threads without another reason: user's and system's are rounded. */
const ROUNDED = 3;

/** Seconds on a core between two times: to the nanosecond, unless a thread has ended in between, perhaps one that had only begun. */
export function cpuBetween(before, after) {
  const coarse = (after.ticks - before.ticks) / clockTicks();
  let nanoseconds = 0;
  let precise = before.threads.size > 0;
  for (const thread of before.threads.keys()) precise &&= after.threads.has(thread);
  if (precise) {
    for (const [thread, ran] of after.threads) nanoseconds += ran - (before.threads.get(thread) ?? 0);
    const fine = nanoseconds / 1e9;
    if (coarse - fine <= ROUNDED / clockTicks()) return fine;
  }
  return coarse;
}

function status(pid, name) {
  const text = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1]);
}

function clockTicks() {
  return (ticks ||= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" })));
}

/** Seconds that all cores have worked, and those that we have, with the children that have ended; interrupts not counted. */
function coresNow() {
  const [, user, nice, system, , , , , steal] = fs
    .readFileSync("/proc/stat", "utf8")
    .split("\n")[0]
    .split(/ +/)
    .map(Number);
  const stat = fs.readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ours = fields.slice(11, 15).reduce((sum, value) => sum + Number(value), 0);
  return { all: (user + nice + system + steal) / clockTicks(), ours: ours / clockTicks(), at: performance.now() };
}

/**
 * Begins to look at what the machine does beside us. The function that it gives says how many cores that took on average, once all our
 * children have ended.
 */
export function watchOthers() {
  const before = coresNow();
  return () => {
    const after = coresNow();
    const others = after.all - before.all - (after.ours - before.ours);
    return Math.max(0, others / ((after.at - before.at) / 1000));
  };
}

/** Resident memory in bytes. */
export function memoryOf(pid) {
  return status(pid, "VmRSS") * 1024;
}

/** Milliseconds: how often memory is looked at, and how long it is waited for. node:http closes what has been idle for 5 s. */
const LOOK = 100;
const LATEST = 2500;
/** Looks that must agree, and how well. */
const CALM = 10;
const SAME = 0.005;

/** Memory once it does not change any more, or it has been waited for long enough. */
export async function settledMemory(pid) {
  const looks = [memoryOf(pid)];
  for (let waited = 0; waited < LATEST; waited += LOOK) {
    await after(LOOK);
    looks.push(memoryOf(pid));
    const last = looks.slice(-CALM);
    if (last.length === CALM && Math.max(...last) <= Math.min(...last) * (1 + SAME)) break;
  }
  return looks.at(-1);
}

/** Threads of the system. */
export function threadsOf(pid) {
  return status(pid, "Threads");
}

/** Open files, sockets, pipes. */
export function filesOf(pid) {
  return fs.readdirSync(`/proc/${pid}/fd`).length;
}

/** Files and sockets that a process may have open at a time. @param {string} limits what /proc/PID/limits says */
export function mostFiles(limits) {
  const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  return soft === "unlimited" ? Infinity : Number(soft);
}

/** Looks at a process's memory again and again. `stop()` gives the first, the last, and the most that was seen, in bytes. */
export function watchMemory(pid, interval = 50) {
  const first = memoryOf(pid);
  let most = first;
  const look = () => {
    const now = memoryOf(pid);
    most = Math.max(most, now);
    return now;
  };
  const timer = setInterval(look, interval);
  return {
    stop() {
      clearInterval(timer);
      return { first, last: look(), most };
    },
  };
}
