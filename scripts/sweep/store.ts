/** The results of a study in an SQLite file, each stored as it comes. */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Manifest } from "../../sim/study/manifest.ts";
import { UsageError } from "../cli/command.ts";
import type { KeyedRun } from "./keys.ts";
import { type Study, type StudyRun } from "./study.ts";

/** What came of a run: its numbers, or the error that it ended with. */
export type Outcome =
  | {
    readonly exit: number;
    /** SHA-256 of its standard output. */
    readonly output: string;
    readonly counters: Readonly<Record<string, number>>;
    readonly estimated: Readonly<Record<string, number>>;
    readonly manifest: Manifest;
  }
  | { readonly error: string };

/** A run of a study that is done. */
export type StoredRun = Omit<StudyRun, "job"> & { readonly number: number } & Outcome;

// `runs` are those of the study as it is now; results of one that was changed stay, and are found again.
const SCHEMA = `
CREATE TABLE IF NOT EXISTS study (name TEXT NOT NULL, description TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
  number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,
  program TEXT NOT NULL, modules TEXT NOT NULL, preset TEXT NOT NULL, parameters TEXT NOT NULL, seed INTEGER);
CREATE TABLE IF NOT EXISTS results (
  key TEXT PRIMARY KEY, exit INTEGER, output TEXT,
  counters TEXT, estimated TEXT, manifest TEXT, error TEXT);
CREATE VIEW IF NOT EXISTS counts AS
  SELECT number, program, modules, preset, parameters, seed, c.key AS counter, c.value AS value
  FROM runs JOIN results USING (key), json_each(counters) AS c
  UNION ALL
  SELECT number, program, modules, preset, parameters, seed, e.key, e.value
  FROM runs JOIN results USING (key), json_each(estimated) AS e;
`;

type Row = Readonly<Record<string, string | number | null>>;

export class ResultStore implements Disposable {
  readonly #database: DatabaseSync;

  /** Opens the file, made if there is none and `isNew` allows it. Throws a `UsageError` if it is something else. */
  constructor(readonly file: string, { isNew = true }: { readonly isNew?: boolean } = {}) {
    if (!isNew && !existsSync(file)) throw new UsageError(`there is no ${file}`);
    let database;
    try {
      database = new DatabaseSync(file, { timeout: 30_000 });
      database.exec(SCHEMA);
    } catch (error) {
      throw new UsageError(`${file}: ${(error as Error).message}`);
    }
    this.#database = database;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** Name that the study has whose results these are; null in a new file. */
  get study(): Study | null {
    const row = this.#database.prepare("SELECT description FROM study").get();
    return row === undefined ? null : JSON.parse(row.description as string);
  }

  /** Say which runs the study has. Throws a `UsageError` if the file is of another study. */
  describe(study: Study, runs: readonly KeyedRun[]): void {
    const before = this.study;
    if (before !== null && before.name !== study.name) {
      throw new UsageError(`${this.file} has results of the study ${before.name}`);
    }
    this.#transaction(() => {
      this.#database.exec("DELETE FROM study; DELETE FROM runs");
      this.#database.prepare("INSERT INTO study VALUES (?, ?)")
        .run(study.name, JSON.stringify(study));
      const insert = this.#database.prepare("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)");
      for (const { number, key, program, modules, preset, parameters, seed } of runs) {
        insert.run(number, key, program, modules, preset, JSON.stringify(parameters), seed);
      }
    });
  }

  /** Keys of runs that are done. */
  get done(): Set<string> {
    const rows = this.#database.prepare("SELECT key FROM results").all();
    return new Set(rows.map(({ key }) => key as string));
  }

  /** Runs that the study has. */
  get size(): number {
    return this.#database.prepare("SELECT count(*) AS size FROM runs").get()!.size as number;
  }

  /** Forget outcomes that are errors, so that their runs are made again. */
  forgetErrors(): void {
    this.#database.exec("DELETE FROM results WHERE error IS NOT NULL");
  }

  /** Store what came of a run; a second outcome of the same is an error. */
  add(key: string, outcome: Outcome): void {
    const row: Row = "error" in outcome
      ? { exit: null, output: null, counters: null, estimated: null, manifest: null, ...outcome }
      : {
        ...{ exit: outcome.exit, output: outcome.output, error: null },
        counters: JSON.stringify(outcome.counters),
        estimated: JSON.stringify(outcome.estimated),
        manifest: JSON.stringify(outcome.manifest),
      };
    this.#database.prepare("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?)").run(
      ...[key, row.exit, row.output, row.counters, row.estimated, row.manifest, row.error],
    );
  }

  /** Take over the results of another file that are not here yet. */
  merge(file: string): void {
    const attach = this.#database.prepare("ATTACH ? AS part");
    attach.run(file);
    try {
      this.#database.exec("INSERT OR IGNORE INTO results SELECT * FROM part.results");
    } finally {
      this.#database.exec("DETACH part");
    }
  }

  /** The study's runs that are done, in order. */
  results(): StoredRun[] {
    const rows = this.#database.prepare(
      "SELECT * FROM runs JOIN results USING (key) ORDER BY number",
    ).all() as Row[];
    return rows.map((row) => {
      const { number, program, modules, preset, seed } = row;
      const parameters = JSON.parse(row.parameters as string);
      const labels = { number, program, modules, preset, parameters, seed };
      const outcome = row.error !== null ? { error: row.error } : {
        ...{ exit: row.exit, output: row.output },
        counters: JSON.parse(row.counters as string),
        estimated: JSON.parse(row.estimated as string),
        manifest: JSON.parse(row.manifest as string),
      };
      return { ...labels, ...outcome } as StoredRun;
    });
  }

  #transaction(body: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      body();
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}
