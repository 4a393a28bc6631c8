/**
 * Builds the object that `modules/gnu_on_musl` adds to a program of glibc, for both architectures:
 *
 *     deno task shim           compiles modules/gnu_on_musl/shim/*.c and writes shim_objects.ts
 *     deno task shim --check   fails if the sources have changed since
 *
 * Needs gcc and musl-dev, and for aarch64 a cross compiler and an arm64 root with musl-dev.
 */
import { capture, CommandError, text } from "./command.ts";

const project = new URL("../..", import.meta.url).pathname;
const folder = `${project}modules/gnu_on_musl`;
const result = `${folder}/shim_objects.ts`;

/** Per architecture: the compiler, and the root with musl's headers. */
const targets = {
  x86_64: { compiler: "gcc", root: "" },
  aarch64: { compiler: "aarch64-linux-gnu-gcc", root: `${project}.cache/roots/bookworm-arm64` },
} as const;

async function sources(): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(`${folder}/shim`), ({ name }) => name);
  return names.filter((name) => name.endsWith(".c")).sort().map((name) => `${folder}/shim/${name}`);
}

/** SHA-256 over the sources, which the objects are marked with. */
async function sourceHash(): Promise<string> {
  const parts = await Promise.all((await sources()).map((path) => Deno.readFile(path)));
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
  return new Uint8Array(digest).toHex();
}

async function compile(arch: keyof typeof targets): Promise<Uint8Array> {
  const { compiler, root } = targets[arch];
  const own = (await text([compiler, "-print-file-name=include"])).trim();
  const out = await Deno.makeTempFile();
  const done = await capture([
    compiler,
    ...["-std=gnu11", "-Os", "-fPIC", "-shared", "-nostdlib", "-nostdinc", "-fno-builtin"],
    ...["-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-w", "-s"],
    ...["-isystem", `${root}/usr/include/${arch}-linux-musl`, "-isystem", own],
    ...["-soname,gnu-on-musl", "--hash-style=gnu", "--build-id=none", "-z,noseparate-code"]
      .map((option) => `-Wl,${option}`),
    ...["-Wl,-z,max-page-size=4096", ...await sources(), "-o", out],
  ]);
  if (done.code !== 0) throw new CommandError(`${compiler}: ${done.stderr}`);
  const bytes = await Deno.readFile(out);
  await Deno.remove(out);
  return bytes;
}

async function write(): Promise<void> {
  const rows: string[] = [];
  for (const arch of ["x86_64", "aarch64"] as const) {
    const object = await compile(arch);
    rows.push(`  ${arch}: "${object.toBase64()}",\n`);
    console.error(`${arch}: ${object.length} bytes`);
  }
  await Deno.writeTextFile(
    result,
    `/**
 * What \`shim/*.c\` compiles to, as base64 of a shared object, made by \`deno task shim\`. Generated; do not
 * edit.
 */

/** Hash of the sources. */
export const SOURCES = "${await sourceHash()}";

export const OBJECTS = {
${rows.join("")}} as const;
`,
  );
}

const help = `Builds the object that modules/gnu_on_musl adds to programs of glibc.

usage: deno task shim [--check]

  --check   only say whether its sources have changed since it was built
  --help    this text`;

if (import.meta.main) {
  if (Deno.args.some((arg) => arg !== "--check")) {
    console.log(help);
    Deno.exit(Deno.args.includes("--help") ? 0 : 2);
  }
  if (Deno.args.includes("--check")) {
    const made = (await import(`file://${result}`)).SOURCES;
    if (made !== await sourceHash()) {
      console.error("shim: its sources have changed; run deno task shim");
      Deno.exit(1);
    }
  } else {
    await write();
  }
}
