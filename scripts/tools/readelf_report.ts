/** Runs `readelf` and turns its text into records, as an independent reading of an ELF file. */

/** One record of each kind, its numbers read back from readelf's text. */
export interface ReadelfReport {
  /** Lines of `-h`, by their label. */
  readonly header: Map<string, string>;
  readonly segments: ReadelfSegment[];
  readonly interp: string[];
  readonly sections: ReadelfSection[];
  readonly dynamic: { readonly tag: number; readonly text: string }[];
  readonly relocations: ReadelfRelocations[];
  readonly symbols: ReadelfSymbols[];
  /** `-V`: per symbol, vs_vers in hexadecimal with "h" where hidden. */
  readonly versym: string[];
  /** "FILE VERSION flags index" of every needed version. */
  readonly needs: string[];
  /** "INDEX FLAGS NAME PARENT..." of every defined version. */
  readonly definitions: string[];
  /** "OWNER size" of every note, and its build id where it is one. */
  readonly notes: string[];
  /** Begin and end addresses of every FDE, where asked for. */
  readonly frames: { readonly start: number; readonly end: number }[];
  /** Warnings and errors. */
  readonly complaints: string[];
}

export interface ReadelfSegment {
  readonly type: string;
  /** Offset, VirtAddr, PhysAddr, FileSiz, MemSiz. */
  readonly numbers: number[];
  readonly flags: string;
  readonly align: number;
}

export interface ReadelfSection {
  readonly name: string;
  readonly type: string;
  /** Address, Off, Size, ES. */
  readonly numbers: number[];
  readonly flags: string;
  /** Lk, Inf, Al. */
  readonly links: number[];
}

export interface ReadelfRelocations {
  readonly section: string;
  readonly fileOffset: number;
  /** RELR sections list addresses only. */
  readonly rows: { readonly offset: number; readonly info: string; readonly rest: string }[];
}

export interface ReadelfSymbols {
  readonly section: string;
  readonly rows: ReadelfSymbol[];
}

export interface ReadelfSymbol {
  readonly value: string;
  readonly size: number;
  readonly type: string;
  readonly bind: string;
  readonly visibility: string;
  /** "UND", "ABS", "COM" or a number. */
  readonly index: string;
  readonly name: string;
}

function emptyReport(): ReadelfReport {
  return {
    header: new Map(),
    segments: [],
    interp: [],
    sections: [],
    dynamic: [],
    relocations: [],
    symbols: [],
    versym: [],
    needs: [],
    definitions: [],
    notes: [],
    frames: [],
    complaints: [],
  };
}

const hex = (text: string): number => parseInt(text, 16);

const SEGMENT =
  /^ {2}(\S+( \S+)?) +0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+) (.{3}) (?:0x)?([0-9a-f]+)$/;
const SECTION =
  /^ {2}\[ *(\d+)\] (.*?) +(SYMTAB SECTION INDICES|\S+) +([0-9a-f]{16}) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) +(\S*) +(\d+) +(\d+) +(\d+)$/;
const DYNAMIC = /^ 0x([0-9a-f]{16}) \([^)]*\) +(.*)$/;
const RELOCATION = /^([0-9a-f]{12,16}) +([0-9a-f]{12,16}) (.*)$/;
const SYMBOL =
  /^ *\d+: ([0-9a-f]{16}) +(0x[0-9a-f]+|\d+) (<OS specific>: \d+|\S+) +(<OS specific>: \d+|\S+) +(\S+) +(.*)$/;
const SYMBOL_TAIL = /^(?:\[[^\]]*\] *|<OTHER>: \S+ *)*(\S+)(?: (.*))?$/;
const NEED_FILE = /Version: \d+ {2}File: (.*) {2}Cnt: \d+$/;
const NEED = /Name: (.*) {2}Flags: (.*) {2}Version: (\d+)$/;
const DEFINITION = /Rev: \d+ {2}Flags: (.*) {2}Index: (\d+) {2}Cnt: \d+ {2}Name: (.*)$/;
const PARENT = /Parent \d+: (.*)$/;
const NOTE = /^ {2}(\S+) +0x([0-9a-f]{8})\t/;

type LineReader = (line: string) => void;

/** Feeds readelf's lines to the reader of the part they stand in. */
class ReportReader {
  readonly report = emptyReport();
  private part: LineReader = () => {};

  line(line: string): void {
    const part = this.heading(line);
    if (part !== undefined) this.part = part;
    else if (line.startsWith("readelf: ")) this.report.complaints.push(line);
    else this.part(line);
  }

  private heading(line: string): LineReader | undefined {
    if (line === "ELF Header:") return (l) => this.headerLine(l);
    if (line === "Section Headers:") return (l) => this.sectionLine(l);
    if (line === "Program Headers:") return (l) => this.segmentLine(l);
    if (line.startsWith(" Section to Segment mapping:")) return () => {};
    if (line.startsWith("Dynamic section at offset")) return (l) => this.dynamicLine(l);
    const relocations = /^Relocation section '(.*)' at offset 0x([0-9a-f]+) contains/.exec(line);
    if (relocations !== null) {
      const table: ReadelfRelocations = {
        section: relocations[1],
        fileOffset: hex(relocations[2]),
        rows: [],
      };
      this.report.relocations.push(table);
      return (l) => this.relocationLine(table, l);
    }
    const symbols = /^Symbol table '(.*)' contains/.exec(line);
    if (symbols !== null) {
      const table: ReadelfSymbols = { section: symbols[1], rows: [] };
      this.report.symbols.push(table);
      return (l) => this.symbolLine(table, l);
    }
    if (line.startsWith("Version symbols section")) return (l) => this.versymLine(l);
    if (line.startsWith("Version definition section")) return (l) => this.definitionLine(l);
    if (line.startsWith("Version needs section")) return this.needReader();
    if (line.startsWith("Displaying notes found")) return (l) => this.noteLine(l);
    if (/^Contents of the .* section/.test(line)) return (l) => this.frameLine(l);
    return undefined;
  }

  private headerLine(line: string): void {
    const match = /^ {2}(.*?): +(.*)$/.exec(line);
    if (match !== null) this.report.header.set(match[1], match[2]);
  }

  private sectionLine(line: string): void {
    const m = SECTION.exec(line);
    if (m === null) return;
    this.report.sections.push({
      name: m[2],
      type: m[3],
      numbers: [hex(m[4]), hex(m[5]), hex(m[6]), hex(m[7])],
      flags: m[8],
      links: [Number(m[9]), Number(m[10]), Number(m[11])],
    });
  }

  private segmentLine(line: string): void {
    const interp = /\[Requesting program interpreter: (.*)\]$/.exec(line);
    if (interp !== null) this.report.interp.push(interp[1]);
    const m = SEGMENT.exec(line);
    if (m === null) return;
    this.report.segments.push({
      type: m[1],
      numbers: [hex(m[3]), hex(m[4]), hex(m[5]), hex(m[6]), hex(m[7])],
      flags: m[8],
      align: hex(m[9]),
    });
  }

  private dynamicLine(line: string): void {
    const m = DYNAMIC.exec(line);
    if (m !== null) this.report.dynamic.push({ tag: hex(m[1]), text: m[2] });
  }

  private relocationLine(table: ReadelfRelocations, line: string): void {
    if (/^[0-9a-f]{16}$/.test(line)) {
      table.rows.push({ offset: hex(line), info: "", rest: "" });
      return;
    }
    const m = RELOCATION.exec(line);
    if (m !== null) table.rows.push({ offset: hex(m[1]), info: m[2], rest: m[3] });
  }

  private symbolLine(table: ReadelfSymbols, line: string): void {
    const m = SYMBOL.exec(line);
    // Where a link editor wrote an index that no section has, readelf says so and shows it.
    const tail = m && SYMBOL_TAIL.exec(m[6].replace(/^bad section index\[ *(\d+)\]/, "$1"));
    if (m === null || tail === null) return;
    table.rows.push({
      value: m[1],
      size: Number(m[2]),
      // GNU's own values have names only in files whose OSABI says GNU.
      type: m[3] === "<OS specific>: 10" ? "IFUNC" : m[3],
      bind: m[4] === "<OS specific>: 10" ? "UNIQUE" : m[4],
      visibility: m[5],
      index: tail[1],
      name: tail[2] ?? "",
    });
  }

  private versymLine(line: string): void {
    const rows = /^ {2}[0-9a-f]+: (.*)$/.exec(line);
    if (rows === null) return;
    for (const [, raw, hidden] of rows[1].matchAll(/ *([0-9a-f]+)(h| )\([^)]*\)/g)) {
      this.report.versym.push(`${raw}${hidden.trim()}`);
    }
  }

  private definitionLine(line: string): void {
    const m = DEFINITION.exec(line);
    if (m !== null) {
      this.report.definitions.push(`${m[2]} ${m[1].trim()} ${m[3]}`);
      return;
    }
    const parent = PARENT.exec(line);
    if (parent !== null) {
      this.report.definitions[this.report.definitions.length - 1] += ` ${parent[1]}`;
    }
  }

  private needReader(): LineReader {
    let file = "";
    return (line) => {
      const heading = NEED_FILE.exec(line);
      if (heading !== null) file = heading[1];
      const m = NEED.exec(line);
      if (m !== null) this.report.needs.push(`${file} ${m[1]} ${m[2].trim()} ${m[3]}`);
    };
  }

  private noteLine(line: string): void {
    const m = NOTE.exec(line);
    if (m === null) return;
    const id = /Build ID: ([0-9a-f]+)/.exec(line);
    this.report.notes.push(`${m[1]} ${hex(m[2])}${id === null ? "" : ` ${id[1]}`}`);
  }

  private frameLine(line: string): void {
    const m = / FDE .* pc=([0-9a-f]+)\.\.([0-9a-f]+)$/.exec(line);
    if (m !== null) this.report.frames.push({ start: hex(m[1]), end: hex(m[2]) });
  }
}

/** Calls `readelf` on a file; with `frames`, call frame information as well. */
export async function readelf(path: string, frames: boolean): Promise<ReadelfReport> {
  const child = new Deno.Command("readelf", {
    args: ["-W", "-h", "-l", "-S", "-d", "-r", "-s", "-V", "-n", ...frames ? ["-wf"] : [], path],
    env: { LC_ALL: "C.UTF-8" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = new ReportReader();
  const complaints = new Response(child.stderr).text();
  let rest = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) reader.line(line);
  }
  if (rest !== "") reader.line(rest);
  const text = await complaints;
  await child.status;
  reader.report.complaints.push(...text.split("\n").filter((line) => line !== ""));
  return reader.report;
}
