/** execve, execveat, exit, exit_group. */
import { EFAULT } from "../errno.ts";
import {
  AT_FDCWD,
  checkArguments,
  enterProgram,
  type ExecRequest,
  findProgram,
  type Program,
  type ProgramImage,
} from "../exec.ts";
import { MAX_ARG_STRLEN } from "../exec_stack.ts";
import { decodeName } from "../fs/file_name.ts";
import { endProcess, exitThread } from "../exit.ts";
import { type Call, NO_RESULT, type SyscallRow } from "../syscall.ts";
import { readStrings } from "../user_strings.ts";
import type { AddressSpace } from "../../memory/address_space.ts";

/** A program that a loader of promises is still mapping. */
interface Loading {
  readonly space: AddressSpace;
  readonly program: Program;
  image: ProgramImage | number | null;
}

function exec(
  call: Call,
  directory: number,
  path: number,
  argv: number,
  env: number,
  flags: number,
): number {
  if (call.state) return finish(call, call.state as Loading);
  const { kernel, process, space } = call;
  const name = space.readCBytes(path);
  if (typeof name === "number") return name;
  const args = readStrings(space, argv, MAX_ARG_STRLEN);
  if (typeof args === "number") return args;
  const variables = readStrings(space, env, MAX_ARG_STRLEN);
  if (typeof variables === "number") return variables;
  const request: ExecRequest = {
    directory,
    path: decodeName(name),
    flags,
    // Linux gives a program without arguments an empty argv[0].
    argv: args.length === 0 ? [""] : args,
    env: variables,
  };
  const tooBig = checkArguments(process, request);
  if (tooBig < 0) return tooBig;
  const program = findProgram(kernel, process, request);
  if (typeof program === "number") return program;
  const fresh = kernel.newSpace(process.limits);
  const image = kernel.loader.load(kernel, process, fresh, program);
  if (!(image instanceof Promise)) return finish(call, { space: fresh, program, image });
  const loading: Loading = { space: fresh, program, image: null };
  call.state = loading;
  kernel.standStill(call.thread, image.then((done) => void (loading.image = done)));
  return call.block([], { onSignal: "uninterruptible" });
}

function finish(call: Call, { space, program, image }: Loading): number {
  const { kernel, thread } = call;
  if (image === null) return -EFAULT;
  const result = typeof image === "number"
    ? image
    : enterProgram(kernel, thread, space, program, image);
  if (result < 0) {
    space.release();
    return result;
  }
  return NO_RESULT;
}

export const execRows: readonly SyscallRow[] = [
  {
    name: "execve",
    x86_64: 59,
    aarch64: 221,
    args: ["path", "strings", "environment"],
    run: (call, path, argv, env) => exec(call, AT_FDCWD, path, argv, env, 0),
  },
  {
    name: "execveat",
    x86_64: 322,
    aarch64: 281,
    args: ["dirfd", "path", "strings", "environment", "flags:at"],
    run: exec,
  },
  {
    name: "exit",
    x86_64: 60,
    aarch64: 93,
    args: ["int"],
    run: ({ kernel, thread }, code) => {
      exitThread(kernel, thread, (code & 0xff) << 8);
      return NO_RESULT;
    },
  },
  {
    name: "exit_group",
    x86_64: 231,
    aarch64: 94,
    args: ["int"],
    run: ({ kernel, process }, code) => {
      endProcess(kernel, process, (code & 0xff) << 8);
      return NO_RESULT;
    },
  },
];
