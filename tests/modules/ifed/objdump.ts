/** An instruction as objdump prints it. */
export interface Disassembled {
  readonly section: string;
  readonly at: number;
  readonly encoding: Uint8Array;
  /** Mnemonic and operands, with objdump's comment. */
  readonly text: string;
}

/** Runs `objdump -d -w` (and more options) on a file and yields its instructions. */
export async function* disassemble(
  tool: string,
  path: string,
  options: string[] = ["-d"],
): AsyncGenerator<Disassembled> {
  const command = new Deno.Command(tool, { args: [...options, "-w", path], stdout: "piped" });
  const process = command.spawn();
  let section = "";
  let rest = "";
  for await (const chunk of process.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const header = /^Disassembly of section (\S+):/.exec(line);
      if (header !== null) section = header[1];
      const match = /^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*(?:\t(.*))?$/.exec(line);
      if (match === null) continue;
      const bytes = match[2].replaceAll(" ", "").match(/../g)!;
      yield {
        section,
        at: parseInt(match[1], 16),
        encoding: Uint8Array.from(bytes, (byte) => parseInt(byte, 16)),
        text: (match[3] ?? "").trim(),
      };
    }
  }
  await process.status;
}

export function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
