/** What a process runs that could not be linked: it says why on its standard error, and exits. */
import type { Failure } from "../lib/linker/link_error.ts";
import { LinkTargetError } from "../lib/linker/target.ts";
import type { Arch } from "./arch.ts";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_READ } from "./memory/abi.ts";
import type { AddressSpace } from "./memory/address_space.ts";

/** Bytes before the message. */
const CODE_SIZE = 64;

/** The lines of a failure, none where it has no message, as ld.so words them: `program: occasion: object: message`. */
export function failureMessage(program: string, failure: Failure): string {
  const { occasion, more = [] } = failure;
  return [failure, ...more].filter(({ message }) => message !== "").map(({ object, message }) =>
    [program, occasion, object, message].filter((part) => part !== "").join(": ") + "\n"
  ).join("");
}

/** Maps the code that writes `message` and exits with `status`; its address. */
export function mapFailure(
  space: AddressSpace,
  arch: Arch,
  message: string,
  status: number,
): number {
  const text = new TextEncoder().encode(message).subarray(0, 0xffff);
  const image = new Uint8Array(CODE_SIZE + text.length);
  const code = arch === "x86_64" ? x86_64(text.length, status) : aarch64(text.length, status);
  image.set(code);
  image.set(text, CODE_SIZE);
  const size = space.granule.pageUp(image.length);
  const at = space.mmap(0, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS);
  if (at < 0 || space.poke(at, image) < 0) {
    throw new LinkTargetError(`there is no room to say: ${message}`);
  }
  return at;
}

/** write(2, message, length); exit_group(status). */
function x86_64(length: number, status: number): Uint8Array {
  const code: number[] = [];
  const word = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
  code.push(0xbf, ...word(2)); // mov edi, 2
  code.push(0xba, ...word(length)); // mov edx, length
  code.push(0x48, 0x8d, 0x35, ...word(CODE_SIZE - (code.length + 7))); // lea rsi, [rip + message]
  code.push(0xb8, ...word(1), 0x0f, 0x05); // mov eax, write; syscall
  code.push(0xbf, ...word(status)); // mov edi, status
  code.push(0xb8, ...word(231), 0x0f, 0x05); // mov eax, exit_group; syscall
  return Uint8Array.from(code);
}

function aarch64(length: number, status: number): Uint8Array {
  const move = (register: number, value: number): number => 0xd2800000 | (value << 5) | register;
  const supervisorCall = 0xd4000001;
  const words = [
    move(0, 2),
    0x10000000 | ((CODE_SIZE - 4) / 4 << 5) | 1, // adr x1, message
    move(2, length),
    move(8, 64), // write
    supervisorCall,
    move(0, status),
    move(8, 94), // exit_group
    supervisorCall,
  ];
  return new Uint8Array(Uint32Array.from(words).buffer);
}
