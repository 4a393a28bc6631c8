/**
 * Reads command lines in which nothing is unusual, so that running a program does not wait for the
 * package that explains, suggests and refuses: loading it takes longer than starting a machine.
 */
import type { CommandSpec, OptionSpec, Parsed } from "./command.ts";

/** Key of an option in `Parsed.values`: `--max-instructions <n>` is `maxInstructions`. */
export function keyOf({ flags }: OptionSpec): string {
  return flags.slice(2).split(" ")[0].replace(/-(.)/g, (_, letter) => letter.toUpperCase());
}

/** Whether a command takes so many positional arguments. */
function takes({ positional }: CommandSpec, count: number): boolean {
  const required = positional.filter(({ usage }) => usage.startsWith("<")).length;
  const variadic = positional.some(({ usage }) => usage.includes("..."));
  return count >= required && (variadic || count <= positional.length);
}

/**
 * What `args`, the command's own, say; null if they are wrong or ask for help, which `program.ts`
 * answers. Throws what an option's `parse` throws.
 */
export function plainArguments(spec: CommandSpec, args: readonly string[]): Parsed | null {
  const positional: string[] = [];
  const values: Record<string, unknown> = {};
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === "--") {
      positional.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      if (spec.passThrough) {
        positional.push(...args.slice(i));
        break;
      }
      positional.push(arg);
      continue;
    }
    const equals = arg.indexOf("=");
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const option = spec.options.find(({ flags }) => flags.split(" ")[0] === name);
    if (option === undefined) return null;
    const key = keyOf(option);
    if (!option.flags.includes("<")) {
      if (equals >= 0) return null;
      values[key] = true;
      continue;
    }
    const text = equals < 0 ? args[++i] : arg.slice(equals + 1);
    if (text === undefined) return null;
    const value = option.parse === undefined ? text : option.parse(text);
    values[key] = option.repeated ? [...(values[key] as unknown[] ?? []), value] : value;
  }
  return takes(spec, positional.length) ? { positional, values } : null;
}
