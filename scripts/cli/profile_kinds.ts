/** Which files `--profile` writes, by the ends of their names. */
import { UsageError } from "./command.ts";

const ENDS = [".folded", ".pb.gz", ".speedscope.json", ".json", ".txt"] as const;

export function profileFile(name: string): string {
  if (!ENDS.some((end) => name.endsWith(end))) {
    throw new UsageError(`--profile: ${name} ends in none of ${ENDS.join(", ")}`);
  }
  return name;
}
