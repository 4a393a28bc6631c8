/** The package sets that `rootfs.ts` makes roots of by name. */
import { morePackages } from "./conformance/more.ts";
import { serverPackages } from "./conformance/servers.ts";

/** A set, and what it is for. */
export interface PackageSet {
  readonly purpose: string;
  /** What follows the suite in the root's name; sets without it are the suite's usual root. */
  readonly suffix?: string;
  readonly packages: readonly string[];
}

/** Shells, interpreters and tools: what most tests run. */
const tests = [
  ...["bash", "busybox-static", "bzip2", "coreutils", "dash", "diffutils", "file", "findutils"],
  ...["gawk", "grep", "gzip", "sed", "util-linux", "xz-utils"],
  ...["lua5.4", "openssl", "perl", "perl-base", "python3", "python3-minimal", "sqlite3"],
  ...["binutils", "cpp", "gcc", "gcc-12", "libc6-dev", "musl", "musl-dev"],
];

/** One program of each kind, under the same names in every suite. */
const small = [
  ...["bash", "coreutils", "dash", "gawk", "grep", "openssl", "perl-base", "python3-minimal"],
  ...["sed", "sqlite3"],
];

/** Programs of many libraries, and compilers. */
const programs = [
  ...["binutils", "curl", "ffmpeg", "g++", "gcc", "libc6-dev", "libpython3-stdlib", "lua5.4"],
  ...["openssl", "perl", "python3", "sqlite3", ...morePackages],
];

/** What `conformance:python` and tests of generated code run: test suites and just-in-time compilers. */
const runtimes = [
  ...["bash", "coreutils", "dash", "libpython3.11-testsuite", "lua5.4", "luajit", "nodejs"],
  ...["openssl", "python3", "python3-distutils", "binutils", "gcc", "libc6-dev"],
];

export const packageSets: Readonly<Record<string, PackageSet>> = {
  tests: { purpose: "what most tests and the bench run (suite bookworm)", packages: tests },
  small: { purpose: "a few programs of each kind, for any suite", packages: small },
  programs: {
    purpose: "compilers, interpreters and ffmpeg: about 2 GB each",
    suffix: "programs",
    packages: programs,
  },
  runtimes: {
    purpose: "python's own tests, and just-in-time compilers",
    suffix: "runtimes",
    packages: runtimes,
  },
  servers: {
    purpose: "databases, servers and virtual machines: about 2 GB each",
    suffix: "servers",
    packages: serverPackages,
  },
};
