/** The two guest architectures, named as `Deno.build.arch` names them. */
export type Arch = "x86_64" | "aarch64";
