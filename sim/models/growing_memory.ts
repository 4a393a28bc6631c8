/** The memory of a module of models: what its writer laid out, then what the host puts behind it as it is needed. */
import type { ModelMemory } from "./site_memory.ts";
import type { ModelModule } from "./wasm/model_module.ts";

const PAGE = 65536;
/** It grows by so many bytes at least. */
const STEP = 1 << 22;

export class GrowingMemory implements ModelMemory {
  readonly #memory: WebAssembly.Memory;
  view: DataView;

  /** @param free where the host's part begins */
  constructor(module: ModelModule, public free: number) {
    this.#memory = new WebAssembly.Memory({ initial: module.pages });
    this.view = new DataView(this.#memory.buffer);
    const bytes = new Uint8Array(this.#memory.buffer);
    for (const { address, bytes: initial } of module.initial) bytes.set(initial, address);
  }

  allocate(bytes: number): number {
    const at = this.free;
    this.free = Math.ceil((at + bytes) / 8) * 8;
    const lacking = this.free - this.#memory.buffer.byteLength;
    if (lacking > 0) {
      this.#memory.grow(Math.ceil(Math.max(STEP, lacking) / PAGE));
      this.view = new DataView(this.#memory.buffer);
    }
    return at;
  }

  /** Compile the module and give it this memory and the machine's; returns its exports. */
  instantiate(
    module: ModelModule,
    machine: WebAssembly.Memory,
    functions: Readonly<Record<string, (...args: number[]) => number | boolean | void>>,
  ): WebAssembly.Exports {
    const code = module.build(machine.buffer.byteLength / PAGE);
    const imports = { e: { own: this.#memory, machine }, f: functions };
    return new WebAssembly.Instance(new WebAssembly.Module(code), imports).exports;
  }
}
