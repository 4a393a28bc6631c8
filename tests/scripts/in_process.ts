/** The command line in this process: what it prints is kept. For commands that run no program with output of its own. */
import { main } from "../../scripts/cli/main.ts";

export interface Answer {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What `isthmus ARGS…` answers and prints. */
export async function inProcess(...args: string[]): Promise<Answer> {
  const { log, error } = console;
  const [out, err]: string[][] = [[], []];
  console.log = (line) => out.push(line);
  console.error = (line) => err.push(line);
  try {
    return { code: await main(args), out: out.join("\n"), err: err.join("\n") };
  } finally {
    Object.assign(console, { log, error });
  }
}
