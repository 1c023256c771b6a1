/**
 * Runs code of several threads in all orders that there are, in one thread. The code is the real one: it is called as it is, with an
 * `Atomics` of ours in the place of the runtime's. What a thread does between two operations on shared memory nobody else can see, so
 * an order is one of those operations.
 *
 * A call cannot be left in the middle and gone on with later. So it is left by a throw; and to go on, its side is made anew, and does
 * all that it has done once more: its operations are given what they were given, and its memory what it held then. What comes
 * behind is done for the first time. This takes sides that do the same each time: no clock, no chance.
 *
 * A state is what shared memory holds, and what each side has done and seen since it was made. Orders that lead to the same state are
 * followed once.
 */

/** One thread, or the event loop, and all that it holds for itself. */
export interface Side {
  /** What may happen to it when it does nothing, besides messages. Looked at when it is made, and behind each event. */
  readonly events: readonly string[];
  /** Nothing is left to be done: it may rest for ever. */
  readonly done: boolean;
  /** All that it holds while it rests, but for shared memory: what it does next depends on nothing else. */
  readonly held: string;
  /**
   * It is about to do something, in the midst of a call.
   * @returns all that it holds, where that can be said: then whatever it has done before need not be told apart; null elsewhere
   */
  holdsAt?(operation: Operation): string | null;
  /** Something happens: one of its events, or a message. */
  happen(event: string): void;
}

/** What the code under test does to shared memory: one step, which nobody interrupts. */
export interface Operation {
  readonly kind: "load" | "store" | "add" | "or" | "exchange" | "compareExchange" | "notify" | "wait" | "post";
  readonly index: number;
  readonly value: number;
  /** Of `compareExchange`, what is put where the value is found. */
  readonly replacement: number;
  /** Of `wait`: it may end by itself. */
  readonly ends: boolean;
  /** Of `post`. */
  readonly message: string;
}

export type Result = number | string;

/** Does an operation, or something else in its place. Made anew with each side, so it may remember. */
export type Fault = (operation: Operation, run: (operation: Operation) => Result) => Result;

/** How a side reaches others, and the explorer. */
export interface Reach {
  /** Sends a message. */
  post(to: number, message: string): void;
  /** What this side has last seen in a word, by `Atomics.load`; undefined where it has not looked since it has forgotten that. */
  seen(index: number): Result | undefined;
  forget(index: number): void;
}

export interface World {
  /** What the sides share; as it is at the beginning. No SharedArrayBuffer: all runs in one thread. */
  readonly words: Int32Array;
  readonly sides: number;
  make(side: number, reach: Reach): Side;
  /** Words that no other side writes by an operation: that a side looks at its own makes no difference to others. */
  own?(side: number): readonly number[];
  /** What is wrong with the code of a side. */
  fault?(side: number): Fault;
  /** How many times, at most, a side goes on that could, while another is in the midst of something. Default: any number of times. */
  readonly interruptions?: number;
}

export interface Explored {
  /** How many states there are. */
  readonly states: number;
  /** How many ways end, in how many states. */
  readonly ends: number;
  /** The way to a state in which all rest though something is left to be done, an operation a line; null where there is none. */
  readonly stuck: string[] | null;
}

/** What a side has done: one thing, and what was before. */
interface Deed {
  readonly id: number;
  readonly before: Deed | null;
  readonly what: string;
  /** What it was given. */
  readonly result: Result;
  /** What shared memory held when it began to do it. */
  readonly memory: Int32Array;
  readonly next: Map<string, Deed>;
}

type Place =
  | { readonly at: "rest"; readonly events: readonly string[]; readonly done: boolean }
  | { readonly at: "work" }
  | { readonly at: "wait"; readonly index: number; readonly ends: boolean; readonly woken: boolean };

interface State {
  readonly memory: Int32Array;
  readonly deeds: readonly Deed[];
  readonly places: readonly Place[];
  readonly messages: readonly (readonly string[])[];
  /** How many interruptions may still be. */
  readonly left: number;
  readonly previous: State | null;
  readonly how: string;
}

/** What can be next: a side, and what happens to it; where it is in the midst of something, it goes on. */
interface Choice {
  readonly state: State;
  readonly side: number;
  readonly event: string;
}

const LEAVE = new Error("this side is left in the midst of a call");
const WORK: Place = { at: "work" };

/** Messages that arrive are events with this in front. */
export const MESSAGE = "message ";

export class Explorer {
  readonly #world: World;
  readonly #words: Int32Array;
  readonly #most: number;
  readonly #seen = new Set<string>();
  readonly #open: Choice[] = [];
  /** What has led to a side's holding something, the first time. */
  readonly #held = new Map<string, Deed>();
  /** Whose a word is: the side's number; -1 where nobody knows. */
  readonly #owner: Int8Array;
  #ids = 0;
  #ends = 0;
  #stuck: State | null = null;

  // Of the present run
  #state!: State;
  #side = 0;
  #past: Deed[] = [];
  #done = 0;
  #left = false;
  #fault: Fault | undefined;
  #made!: Side;
  readonly #loaded = new Map<number, Result>();

  /** @param most how many states are looked at, at most; more are an error */
  constructor(world: World, most = 5_000_000) {
    this.#world = world;
    this.#words = world.words;
    this.#most = most;
    this.#owner = new Int8Array(this.#words.length).fill(-1);
    for (let side = 0; side < world.sides; side++)
      for (const index of world.own?.(side) ?? []) this.#owner[index] = side;
  }

  /** Follows all orders, until one is stuck. @throws what a side throws, with the way to it */
  explore(): Explored {
    const { sides, interruptions = Infinity } = this.#world;
    const memory = this.#words.slice();
    const deeds = Array.from({ length: sides }, () => this.#deed(null, "", 0, memory));
    const places: Place[] = [];
    const root = (): State => ({
      memory,
      deeds,
      places,
      messages: deeds.map(() => []),
      left: interruptions,
      previous: null,
      how: "",
    });
    const restore = putInPlace(this.#words.buffer as ArrayBuffer, (operation) => this.#operate(operation));
    try {
      for (let side = 0; side < sides; side++) {
        this.#begin(root(), side);
        places.push(this.#placeOf(this.#make()));
        this.#words.set(memory);
      }
      this.#reach(root(), -1);
      for (let choice; this.#stuck === null && (choice = this.#open.pop()) !== undefined;) this.#run(choice);
    } finally {
      restore();
      this.#words.set(memory);
    }
    return { states: this.#seen.size, ends: this.#ends, stuck: this.#stuck === null ? null : wayTo(this.#stuck) };
  }

  #make(): Side {
    const side = this.#side;
    this.#fault = this.#world.fault?.(side);
    return (this.#made = this.#world.make(side, {
      post: (to, message) => {
        this.#operate({ kind: "post", index: to, value: 0, replacement: 0, ends: false, message });
      },
      seen: (index) => this.#loaded.get(index),
      forget: (index) => void this.#loaded.delete(index),
    }));
  }

  #placeOf({ events, done }: Side): Place {
    return { at: "rest", events: [...events], done };
  }

  #deed(before: Deed | null, what: string, result: Result, memory: Int32Array): Deed {
    const key = `${what}=${result}`;
    const known = before?.next.get(key);
    if (known !== undefined) return known;
    const deed: Deed = { id: this.#ids++, before, what, result, memory, next: new Map() };
    before?.next.set(key, deed);
    return deed;
  }

  #begin(state: State, side: number): void {
    this.#state = state;
    this.#side = side;
    this.#done = 0;
    this.#left = false;
    this.#past = [];
    this.#loaded.clear();
    for (let deed: Deed | null = state.deeds[side]; deed.before !== null; deed = deed.before) this.#past.push(deed);
    this.#past.reverse();
  }

  /** Has a side do all it has done, and then what is next. */
  #run({ state, side, event }: Choice): void {
    this.#begin(state, side);
    if (event !== "") {
      const messages = state.messages.map((list, i) =>
        i === side && event.startsWith(MESSAGE) ? list.slice(1) : list,
      );
      const deed = this.#deed(state.deeds[side], `event ${event}`, 0, state.memory);
      this.#past.push(deed);
      const changes = {
        messages,
        deeds: replaced(state.deeds, side, deed),
        places: replaced(state.places, side, WORK),
      };
      this.#state = this.#next(changes, `${side}: ${event}`);
    }
    try {
      const made = this.#make();
      while (this.#done < this.#past.length) {
        const { what } = this.#past[this.#done++];
        if (!what.startsWith("event ")) throw new Error(`a side that has done ${what} does nothing now`);
        this.#remember();
        made.happen(what.slice("event ".length));
        if (this.#left) return;
        if (this.#done < this.#past.length) {
          const end = this.#past[this.#done++];
          if (end.what !== "end") throw new Error(`a side that has done ${end.what} has come to the end now`);
          this.#remember();
        } else {
          const end = this.#deed(this.#state.deeds[side], "end", 0, this.#state.memory);
          const deed = this.#first(`${side} rests: ${made.held}`, end);
          const places = replaced(this.#state.places, side, this.#placeOf(made));
          this.#reach(
            this.#next({ memory: this.#words.slice(), deeds: replaced(this.#state.deeds, side, deed), places }),
            -1,
          );
          return;
        }
      }
    } catch (error) {
      if (this.#left) return; // whatever has become of it on its way here
      throw new Error(`${wayTo(this.#state).join("\n")}\n${String(error)}`, { cause: error });
    }
  }

  #first(held: string, deed: Deed): Deed {
    const first = this.#held.get(held);
    if (first === undefined) this.#held.set(held, deed);
    return first ?? deed;
  }

  /** The memory as it was when the next thing was done; as it is now where that has not been done yet. */
  #remember(): void {
    this.#words.set(this.#done < this.#past.length ? this.#past[this.#done].memory : this.#state.memory);
  }

  #next(changes: Partial<State>, how = ""): State {
    return {
      ...this.#state,
      previous: how === "" ? this.#state.previous : this.#state,
      how: how || this.#state.how,
      ...changes,
    };
  }

  #operate(operation: Operation): Result {
    if (this.#left) throw LEAVE;
    return this.#fault === undefined ? this.#step(operation) : this.#fault(operation, (other) => this.#step(other));
  }

  #step(operation: Operation): Result {
    const result = this.#take(operation);
    if (operation.kind === "load") this.#loaded.set(operation.index, result);
    return result;
  }

  #take(operation: Operation): Result {
    if (this.#left) throw LEAVE;
    const what = describe(operation);
    const held = this.#made.holdsAt?.(operation) ?? null;
    if (this.#done < this.#past.length) {
      let deed = this.#past[this.#done++];
      if (deed.what !== what) throw new Error(`a side that has done ${deed.what} does ${what} now`);
      if (deed.result === "blocks") deed = this.#past[this.#done++];
      this.#remember();
      return deed.result;
    }
    const side = this.#side;
    if (held !== null) {
      const deed = this.#first(`${side} works: ${held}`, this.#state.deeds[side]);
      this.#state = { ...this.#state, deeds: replaced(this.#state.deeds, side, deed) };
    }
    const { memory, deeds, places } = this.#state;
    const words = this.#words;
    const { kind, index, value } = operation;
    let change: Partial<State> = {};
    let result: Result = 0;
    if (kind === "post") {
      change = { messages: replaced(this.#state.messages, index, [...this.#state.messages[index], operation.message]) };
    } else if (kind === "notify") {
      change = {
        places: places.map((place) =>
          place.at === "wait" && place.index === index ? { ...place, woken: true } : place,
        ),
      };
    } else if (kind === "wait") {
      result = words[index] === value ? "blocks" : "not-equal";
      if (result === "blocks")
        change = { places: replaced(places, side, { at: "wait", index, ends: operation.ends, woken: false }) };
    } else {
      result = words[index];
      if (kind === "store" || kind === "exchange") words[index] = value;
      else if (kind === "add") words[index] += value;
      else if (kind === "or") words[index] |= value;
      else if (kind === "compareExchange" && result === value) words[index] = operation.replacement;
    }
    const owner = kind === "post" ? -1 : this.#owner[index];
    if (owner >= 0 && owner !== side && kind !== "load")
      throw new Error(`side ${side} does ${what}, in a word of ${owner}`);
    const deed = this.#deed(deeds[side], what, result, memory);
    const how = `${side}: ${what}${kind === "store" || kind === "notify" || kind === "post" ? "" : ` -> ${result}`}`;
    const next = this.#next({ ...change, memory: words.slice(), deeds: replaced(deeds, side, deed) }, how);
    if (kind === "load" && owner === side) {
      this.#state = { ...next, memory };
      return result;
    }
    // It goes on here, where it may; others can go on instead.
    if (!this.#reach(next, result === "blocks" ? -1 : side)) {
      this.#left = true;
      throw LEAVE;
    }
    this.#state = next;
    return result;
  }

  /** There is a state. @param running who is about to go on. @returns whether it is to do so: nobody has been here */
  #reach(state: State, running: number): boolean {
    const { deeds, places, messages, memory, left } = state;
    let key = "";
    for (let i = 0; i < deeds.length; i++) {
      const place = places[i];
      key += `${deeds[i].id}${place.at === "wait" && place.woken ? "w" : ""}:${messages[i].join()};`;
    }
    key += this.#digest(memory);
    if (left < Infinity) key += `${left}/${running}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (this.#seen.size > this.#most) throw new Error(`more than ${this.#most} states`);
    let ways = 0;
    for (let side = 0; side < places.length; side++) {
      if (side === running) {
        ways++;
        continue;
      }
      const place = places[side];
      const interrupts = running >= 0 && left < Infinity;
      const open = (from: State, event: string): void => {
        ways++;
        if (!interrupts) this.#open.push({ state: from, side, event });
        else if (left > 0) this.#open.push({ state: { ...from, left: left - 1 }, side, event });
      };
      if (place.at === "work") open(state, "");
      else if (place.at === "wait") {
        if (place.woken) open(this.#awake(state, side, "ok"), "");
        if (place.ends) open(this.#awake(state, side, "timed-out"), "");
      } else {
        for (const event of place.events) open(state, event);
        if (messages[side].length > 0) open(state, MESSAGE + messages[side][0]);
      }
    }
    if (ways > 0) return running >= 0;
    this.#ends++;
    if (places.some((place) => place.at !== "rest" || !place.done)) this.#stuck = state;
    return false;
  }

  /** Of so many bits that no two memories have the same one. */
  #digest(memory: Int32Array): string {
    let one = 0;
    let two = 0;
    for (let i = 0; i < memory.length; i++) {
      one = (Math.imul(one ^ memory[i], 0x01000193) + i) | 0;
      two = (Math.imul(two, 31) + memory[i]) | 0;
      two = Math.imul(two ^ (two >>> 15), 0x2c1b3c6d);
    }
    return `${one},${two}`;
  }

  #awake(state: State, side: number, result: string): State {
    const deed = this.#deed(state.deeds[side], "wakes", result, state.memory);
    return {
      ...state,
      deeds: replaced(state.deeds, side, deed),
      places: replaced(state.places, side, WORK),
      previous: state,
      how: `${side}: ${result}`,
    };
  }
}

function replaced<T>(list: readonly T[], at: number, value: T): T[] {
  const copy = [...list];
  copy[at] = value;
  return copy;
}

function wayTo(state: State): string[] {
  const way: string[] = [];
  for (let at: State | null = state; at !== null; at = at.previous) if (at.how !== "") way.push(at.how);
  return way.reverse();
}

function describe({ kind, index, value, replacement, message }: Operation): string {
  switch (kind) {
    case "load":
    case "notify":
      return `${kind} ${index}`;
    case "compareExchange":
      return `${kind} ${index} ${value} ${replacement}`;
    case "post":
      return `${kind} ${index} ${message}`;
    default:
      return `${kind} ${index} ${value}`;
  }
}

/** Puts operations of ours in the place of those of the runtime, for one memory. @returns what puts those back */
function putInPlace(memory: ArrayBuffer, operate: (operation: Operation) => Result): () => void {
  const real = globalThis.Atomics;
  const of =
    (kind: Operation["kind"]) =>
    (array: Int32Array, index: number, value = 0, other = 0): Result => {
      if (array.buffer !== memory)
        return (real[kind as "load"] as (...args: unknown[]) => number)(array, index, value, other);
      const ends = kind === "wait" && other !== 0 && other < Infinity;
      const replacement = kind === "compareExchange" ? other : 0;
      return operate({ kind, index, value: kind === "notify" ? 0 : value, replacement, ends, message: "" });
    };
  const ours: Record<string, unknown> = {};
  for (const kind of ["load", "store", "add", "or", "exchange", "compareExchange", "notify"] as const)
    ours[kind] = of(kind);
  ours.wait = (array: Int32Array, index: number, value: number, timeout = Infinity) =>
    of("wait")(array, index, value, timeout);
  globalThis.Atomics = ours as unknown as Atomics;
  return () => {
    globalThis.Atomics = real;
  };
}
