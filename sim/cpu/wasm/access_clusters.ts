/**
 * Accesses of a block that lie near one another: those whose addresses differ by constants, such as
 * the fields of one object or the slots of one stack frame. The first of a cluster translates for all;
 * nothing between them can change a translation.
 */
import type { Node, Statement } from "../ir/types.ts";
import { NodeKind } from "../ir/types.ts";
import * as L from "../layout.ts";
import { mayLeave } from "./events.ts";
import { baseSlot } from "./register_cache.ts";

/**
 * Most bytes from the first to the end of a cluster's accesses, for each of them: the wider, the more
 * often two pages are touched, which is slow.
 */
const SPAN_EACH = 48;

/** Accesses that share a translation. */
export interface Cluster {
  /** Bytes from the lowest to the end of the highest access. */
  readonly span: number;
  readonly stores: boolean;
  /** Locals of the physical address of its lowest byte, and with models of its stamp; -1 at first. */
  physical: number;
  stamp: number;
}

/** Where an access lies in its cluster. */
export interface Placement {
  readonly cluster: Cluster;
  /** Bytes from the cluster's lowest. */
  readonly offset: number;
  /** Whether it is the one that translates; whether no other follows. */
  readonly first: boolean;
  readonly last: boolean;
}

/** A value that is known to be another one, by number, plus a constant. */
interface Symbolic {
  readonly number: number;
  readonly delta: number;
}

interface Access {
  readonly statement: Statement;
  readonly delta: number;
  readonly size: number;
}

/** Numbers values alike that must be equal (local value numbering). */
class Values {
  readonly #numbers = new Map<string, number>();
  #next = 1;
  #registers = new Map<number, Symbolic>();
  readonly #nodes = new Map<Node, Symbolic>();

  #fresh(): Symbolic {
    return { number: this.#next++, delta: 0 };
  }
  #named(name: string): Symbolic {
    let number = this.#numbers.get(name);
    if (number === undefined) this.#numbers.set(name, number = this.#next++);
    return { number, delta: 0 };
  }

  /** What an i64 or i32 node is, as far as known. Number 0 is zero: constants are 0 plus themselves. */
  of(n: Node): Symbolic {
    if (n.kind === NodeKind.Const) {
      const value = Number(n.value);
      return Number.isSafeInteger(value) ? { number: 0, delta: value } : this.#fresh();
    }
    let known = this.#nodes.get(n);
    if (known === undefined) this.#nodes.set(n, known = this.#fresh());
    return known;
  }

  /** A node is made here: a read takes the value of this moment. */
  define(n: Node): void {
    this.#nodes.set(n, this.#evaluate(n));
  }
  #evaluate(n: Node): Symbolic {
    if (n.kind === NodeKind.Reg) {
      const { slot } = n.reg!;
      if (n.type !== "i64" || slot >= L.VECTOR || slot < L.GPR) return this.#fresh();
      let value = this.#registers.get(slot);
      if (value === undefined) this.#registers.set(slot, value = this.#fresh());
      return value;
    }
    if (n.kind === NodeKind.State) return this.#fresh();
    if (n.kind !== NodeKind.Op || n.value !== undefined) return this.#fresh();
    const args = n.args.map((a) => this.of(a));
    if (n.op === "i64.add" || n.op === "i64.sub") {
      const [a, b] = args;
      const sign = n.op === "i64.add" ? 1 : -1;
      if (b.number === 0) return { number: a.number, delta: a.delta + sign * b.delta };
      if (sign === 1 && a.number === 0) return { number: b.number, delta: a.delta + b.delta };
      const { number } = this.#named(`${n.op} ${a.number} ${b.number}`);
      return { number, delta: a.delta + sign * b.delta };
    }
    return this.#named(`${n.op} ${args.map((a) => `${a.number}+${a.delta}`).join(" ")}`);
  }

  /** The register at `slot` becomes `value`, or something unknown. */
  assign(slot: number, value: Symbolic | null): void {
    this.#registers.set(slot, value ?? this.#fresh());
  }
  forgetRegisters(): void {
    this.#registers.clear();
  }
}

/** Find the clusters of two or more among the accesses of a block's instructions. */
export function accessClusters(
  instructions: readonly { readonly body: readonly Statement[] }[],
): Map<Statement, Placement> {
  const values = new Values();
  const found = new Map<number, Access[]>();
  const order: Access[][] = [];
  const visit = (body: readonly Statement[], certain: boolean): void => {
    for (const s of body) {
      switch (s.kind) {
        case "def":
          values.define(s.node);
          break;
        case "load":
        case "store": {
          if (!certain) break;
          const { number, delta } = values.of(s.address);
          const access = { statement: s, delta, size: s.bits / 8 };
          const open = found.get(number);
          if (open !== undefined && worthwhile([...open, access])) open.push(access);
          else {
            const list = [access];
            found.set(number, list);
            order.push(list);
          }
          break;
        }
        case "setReg": {
          const whole = certain && s.bits === 64;
          values.assign(baseSlot(s.reg.slot), whole ? values.of(s.value) : null);
          break;
        }
        case "call":
          if (s.helper.writes === "all") values.forgetRegisters();
          else for (const slot of s.helper.writes) values.assign(baseSlot(slot), null);
          break;
        case "if":
          visit(s.then, false);
          visit(s.else, false);
          break;
        case "loop":
          visit(s.body, false);
          break;
      }
      if (mayLeave(s)) certain = false;
    }
  };
  for (const { body } of instructions) visit(body, true);

  const placements = new Map<Statement, Placement>();
  for (const accesses of order) {
    if (accesses.length < 2) continue;
    const lowest = Math.min(...accesses.map((a) => a.delta));
    const cluster: Cluster = {
      span: spanOf(accesses),
      stores: accesses.some((a) => a.statement.kind === "store"),
      physical: -1,
      stamp: -1,
    };
    accesses.forEach(({ statement, delta }, i) =>
      placements.set(statement, {
        cluster,
        offset: delta - lowest,
        first: i === 0,
        last: i === accesses.length - 1,
      })
    );
  }
  return placements;
}

function worthwhile(accesses: readonly Access[]): boolean {
  return spanOf(accesses) <= SPAN_EACH * accesses.length;
}

function spanOf(accesses: readonly Access[]): number {
  const lowest = Math.min(...accesses.map((a) => a.delta));
  return Math.max(...accesses.map((a) => a.delta + a.size)) - lowest;
}
