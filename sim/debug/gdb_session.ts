/**
 * gdb's requests (GDB manual, appendix "Remote Protocol") served by a `DebugTarget`, in all-stop mode. It
 * takes packets' data and answers them; who carries them is another's business.
 */
import { Access } from "../cpu/cpu.ts";
import type { WatchedRange } from "../cpu/breakpoints.ts";
import { infoSigno } from "../kernel/abi/siginfo.ts";
import type { Vfs } from "../kernel/fs/vfs.ts";
import { SIGINT, SIGTRAP } from "../kernel/signal_numbers.ts";
import type { Thread } from "../kernel/thread.ts";
import { peek } from "../memory/peek.ts";
import { consoleText, objectOf } from "./gdb_objects.ts";
import { fromHex, hexToText, textToHex, toBytes, toHex } from "./gdb_packets.ts";
import { fromGdb, toGdb } from "./gdb_signals.ts";
import { GuestFiles } from "./guest_files.ts";
import { monitor } from "./monitor.ts";
import { bytesOf, type Register } from "./register.ts";
import { featuresOf, withThread } from "./registers.ts";
import type { DebugTarget, Resumption, Stop, Watcher } from "./target.ts";

/** Largest packet, in bytes. */
const PACKET_SIZE = 0x10000;
/** Most bytes of one answer to `m`. */
const MOST_MEMORY = 0x4000;

const OK = "OK";
const ERROR = "E01";
/** Answer to a request that is not known. */
const UNKNOWN = "";

/** Answers what follows a request's name; undefined if the answer comes later, or never. */
type Handler = (rest: string) => string | undefined;

export class GdbSession implements Watcher {
  /** Whether gdb has left, or the program has ended. */
  over = false;
  /** Whether packets are acknowledged. */
  acknowledges = true;

  readonly #registers: readonly Register[];
  /** Room for a register's value. */
  readonly #memory = new Uint8Array(MOST_MEMORY);
  readonly #scratch = new ArrayBuffer(16);
  readonly #files: GuestFiles;
  /** The thread that requests are about; the one that stopped unless gdb says another. */
  #thread: Thread | null = null;
  #reply: string = UNKNOWN;
  /** Packets that came before the program stood at its start. */
  #early: string[] | null = [];

  constructor(readonly target: DebugTarget, vfs: Vfs, readonly send: (data: string) => void) {
    this.#registers = featuresOf(target.kernel.cpu).flatMap(({ registers }) => registers);
    this.#files = new GuestFiles(vfs, () => target.process);
    target.watcher = this;
  }

  /** A packet from gdb. It is answered, unless the answer is the next stop; none before the first. */
  receive(data: string): void {
    if (this.#early !== null) {
      this.#early.push(data);
      return;
    }
    const answer = this.#answer(data);
    if (answer !== undefined) this.send(answer);
  }

  /** gdb has gone without a word. */
  lost(): void {
    if (!this.over) this.target.detach();
    this.over = true;
  }

  // ---- what the target says -----------------------------------------------------------------

  stopped(stop: Stop): void {
    this.#thread = stop.thread;
    this.#reply = this.#stopReply(stop);
    // The first stop is what gdb finds when it comes.
    if (stop.reason.kind === "start") {
      const early = this.#early ?? [];
      this.#early = null;
      for (const data of early) this.receive(data);
      return;
    }
    if (stop.reason.kind === "deadlock") this.send(consoleText(stop.reason.why + "\n"));
    this.send(this.#reply);
  }

  ended(status: number): void {
    if (this.over) return;
    this.over = true;
    const signal = status & 0x7f;
    this.send(signal === 0 ? `W${byte(status >> 8)}` : `X${byte(toGdb(signal))}`);
  }

  #stopReply({ thread, reason }: Stop): string {
    const signal = reason.kind === "signal"
      ? toGdb(infoSigno(reason.info))
      : toGdb(reason.kind === "interrupt" || reason.kind === "deadlock" ? SIGINT : SIGTRAP);
    let why = "";
    switch (reason.kind) {
      case "gone":
        return "N";
      case "breakpoint":
        why = "swbreak:;";
        break;
      case "watchpoint": {
        const name = reason.access === Access.Write ? "watch" : "rwatch";
        why = `${name}:${reason.address.toString(16)};`;
        break;
      }
      case "libraries":
        why = "library:;";
        break;
      case "exec":
        why = `exec:${textToHex(reason.path)};`;
    }
    return `T${byte(signal)}thread:${thread.tid.toString(16)};${why}`;
  }

  // ---- requests -----------------------------------------------------------------------------

  #answer(data: string): string | undefined {
    const [, name, rest] = /^([qQv][A-Za-z]+[?]?|[^])[:;,]?([^]*)$/.exec(data) ?? [];
    if (name === undefined || !Object.hasOwn(this.#handlers, name)) return UNKNOWN;
    return this.#handlers[name](rest);
  }

  readonly #handlers: Readonly<Record<string, Handler>> = {
    "?": () => this.#reply,
    "qSupported": () =>
      `PacketSize=${PACKET_SIZE.toString(16)};QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+;` +
      "exec-events+;no-resumed+;QPassSignals+;qXfer:features:read+;qXfer:auxv:read+;" +
      "qXfer:exec-file:read+;qXfer:threads:read+;qXfer:libraries-svr4:read+;qXfer:siginfo:read+",
    "QStartNoAckMode": () => {
      this.acknowledges = false;
      return OK;
    },
    "QPassSignals": (rest) => {
      const numbers = rest.split(";").filter((text) => text !== "");
      this.target.passes = new Set(numbers.map((text) => fromGdb(parseInt(text, 16))));
      return OK;
    },
    "qAttached": () => "0",
    "qC": () => `QC${this.#current.tid.toString(16)}`,
    "qSymbol": () => OK,
    "qfThreadInfo": () =>
      "m" + [...this.target.process.threads].map(({ tid }) => tid.toString(16)).join(","),
    "qsThreadInfo": () => "l",
    "qThreadExtraInfo": (rest) => {
      const thread = this.#find(rest);
      return thread === undefined ? ERROR : textToHex(stateOf(thread));
    },
    "qXfer": (rest) => this.#transfer(rest),
    "qRcmd": (rest) => {
      const text = monitor(this.target.kernel, hexToText(rest));
      return text === undefined ? ERROR : textToHex(text);
    },
    "H": (rest) => {
      const thread = this.#find(rest.slice(1));
      if (thread === undefined) return ERROR;
      if (rest[0] === "g") this.#thread = thread;
      return OK;
    },
    "T": (rest) => this.#find(rest) === undefined ? ERROR : OK,
    "g": () => this.#with(() => this.#registers.map((r) => this.#read(r)).join("")),
    "G": (rest) => this.#writeAll(rest),
    "p": (rest) => {
      const register = this.#registers[parseInt(rest, 16)];
      return register === undefined ? ERROR : this.#with(() => this.#read(register));
    },
    "P": (rest) => {
      const [number, value] = rest.split("=");
      const register = this.#registers[parseInt(number, 16)];
      if (register === undefined) return ERROR;
      return this.#change(() => this.#write(register, fromHex(value)));
    },
    "m": (rest) => {
      const [address, length] = rest.split(",").map((text) => parseInt(text, 16));
      const bytes = this.#memory.subarray(0, length);
      const count = peek(this.target.space, address, bytes);
      return count === 0 && length > 0 ? ERROR : toHex(bytes.subarray(0, count));
    },
    "M": (rest) => this.#writeMemory(rest, fromHex),
    "X": (rest) => this.#writeMemory(rest, (text) => toBytes(text)),
    "Z": (rest) => this.#point(rest, true),
    "z": (rest) => this.#point(rest, false),
    "vCont?": () => "vCont;c;C;s;S;r",
    "vCont": (rest) => this.#resume(rest),
    "vFile": (rest) => this.#files.answer(rest) ?? UNKNOWN,
    "vKill": () => {
      this.#kill();
      return OK;
    },
    "k": () => this.#kill(),
    "D": () => {
      this.over = true;
      this.target.detach();
      return OK;
    },
  };

  #kill(): undefined {
    this.over = true;
    this.target.kill();
  }

  #transfer(rest: string): string {
    const [, name, annex, from, length] =
      /^([\w-]+):read:([^:]*):([0-9a-f]+),([0-9a-f]+)$/.exec(rest) ?? [];
    if (name === undefined) return UNKNOWN;
    const bytes = objectOf(this.target, name, annex);
    if (bytes === undefined) return ERROR;
    const start = parseInt(from, 16);
    const end = start + Math.min(parseInt(length, 16), PACKET_SIZE / 2);
    return (end < bytes.length ? "m" : "l") + bytes.slice(start, end);
  }

  // ---- threads and registers ----------------------------------------------------------------

  get #current(): Thread {
    const thread = this.#thread;
    return thread === null || thread.status === "dead" ? this.target.process.leader! : thread;
  }

  /** The thread that a number names; 0 and -1 leave the choice. */
  #find(id: string): Thread | undefined {
    const tid = parseInt(id, 16);
    if (tid <= 0) return this.#current;
    return [...this.target.process.threads].find((thread) => thread.tid === tid);
  }

  #with<T>(work: () => T): T {
    return withThread(this.target.kernel, this.#current, work);
  }

  /** Change registers, unless a system call is going to. */
  #change(work: () => void): string {
    if (this.#current.call.blocked !== null) return ERROR;
    this.#with(work);
    return OK;
  }

  #read({ size, read }: Register): string {
    const view = new DataView(this.#scratch, 0, size);
    read(this.target.kernel.cpu, view, this.#current);
    return toHex(bytesOf(view));
  }

  #write({ size, write }: Register, bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length === size) write(this.target.kernel.cpu, new DataView(bytes.buffer));
  }

  #writeAll(hex: string): string {
    const bytes = fromHex(hex);
    return this.#change(() => {
      let at = 0;
      for (const register of this.#registers) {
        this.#write(register, bytes.slice(at, at + register.size));
        at += register.size;
      }
    });
  }

  // ---- memory -------------------------------------------------------------------------------

  #writeMemory(rest: string, decode: (text: string) => Uint8Array): string {
    const at = rest.indexOf(":");
    const [address, length] = rest.slice(0, at).split(",").map((text) => parseInt(text, 16));
    const bytes = decode(rest.slice(at + 1));
    if (bytes.length !== length) return ERROR;
    return length === 0 || this.target.space.poke(address, bytes) === 0 ? OK : ERROR;
  }

  #point(rest: string, set: boolean): string {
    const [type, where, kind] = rest.split(",");
    const start = parseInt(where, 16);
    const { target } = this;
    if (type === "0" || type === "1") {
      if (set) target.setBreakpoint(start);
      else target.removeBreakpoint(start);
      return OK;
    }
    const access = ({ 2: "write", 3: "read", 4: "any" } as const)[Number(type)];
    if (access === undefined) return UNKNOWN;
    const range: WatchedRange = { start, size: parseInt(kind, 16), access };
    if (set) target.setWatchpoint(range);
    else target.removeWatchpoint(range);
    return OK;
  }

  // ---- going on -----------------------------------------------------------------------------

  /** `vCont`: the first action that fits a thread is its; a thread that none fits stands still. */
  #resume(rest: string): string | undefined {
    let step: Resumption["step"];
    let signal: Resumption["signal"];
    let all = false;
    const named = new Set<Thread>();
    for (const text of rest.split(";")) {
      const [action, id] = text.split(":");
      const thread = id === undefined ? undefined : this.#find(id);
      if (id === undefined || parseInt(id, 16) === -1) all = true;
      else if (thread === undefined) continue;
      else named.add(thread);
      const whose = thread ?? this.#current;
      const kind = action[0].toLowerCase();
      if ((action[0] === "C" || action[0] === "S") && signal === undefined) {
        const signo = fromGdb(parseInt(action.slice(1, 3), 16));
        if (signo !== 0) signal = { thread: whose, signo };
      }
      if (kind === "s" && step === undefined) step = { thread: whose, start: 0, end: 0 };
      if (kind === "r" && step === undefined) {
        const [start, end] = action.slice(1).split(",").map((part) => parseInt(part, 16));
        step = { thread: whose, start, end };
      }
    }
    this.target.resume({ step, signal, only: all ? undefined : named });
    return undefined;
  }
}

function byte(value: number): string {
  return (value & 0xff).toString(16).padStart(2, "0");
}

/** What `info threads` shows beside a thread's name. */
function stateOf({ status, call, process }: Thread): string {
  if (process.stopped) return "stopped";
  return status === "blocked" ? `in ${call.row.name}` : "runnable";
}
