/** Guest code of the loader against its assembly source: assembles it again and compares, part by part. */
import { assertEquals } from "@std/assert";
import type { Architecture } from "../../../lib/linker/mod.ts";
import type { RuntimeCode } from "../../../modules/sysv/runtime.ts";
import { hasTool, runTool } from "./native_process.ts";

const PREFIX = { x86_64: "", aarch64: "aarch64-linux-gnu-" };

/** The tool that is missing to assemble for an architecture; undefined if none is. */
export function missingAssembler(arch: Architecture): string | undefined {
  const isOwn = arch !== "x86_64" || Deno.build.arch === "x86_64";
  return isOwn && hasTool(`${PREFIX[arch]}as`) ? undefined : `${PREFIX[arch]}as`;
}

/** Fails unless `code` is what `source` assembles to, and each part begins where its label is. */
export function assertAssembled(arch: Architecture, code: RuntimeCode, source: URL): void {
  const folder = Deno.makeTempDirSync({ prefix: "runtime-" });
  try {
    const [object, binary] = [`${folder}/runtime.o`, `${folder}/runtime.bin`];
    runTool(`${PREFIX[arch]}as`, source.pathname, "-o", object);
    runTool(`${PREFIX[arch]}objcopy`, "-O", "binary", "-j", ".text", object, binary);
    const assembled = Deno.readFileSync(binary);
    const hex = Array.from(assembled, (byte) => byte.toString(16).padStart(2, "0")).join("");
    assertEquals(Object.values(code[arch]).join(""), hex);
    const labels = new Map(
      runTool(`${PREFIX[arch]}nm`, object).trim().split("\n").map((line) => {
        const [address, , name] = line.split(/\s+/);
        return [name, parseInt(address, 16)];
      }),
    );
    let at = 0;
    for (const [part, bytes] of Object.entries(code[arch])) {
      assertEquals([part, labels.get(part)], [part, at]);
      at += bytes.length / 2;
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
