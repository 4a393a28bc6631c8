/**
 * Reads profiles of pprof by the field numbers of google/pprof's profile.proto; imports nothing
 * from the simulator.
 */

export interface ReadProfile {
  readonly sampleTypes: readonly string[];
  /** Functions from the innermost out, and a value for each sample type. */
  readonly samples: readonly { readonly functions: readonly string[]; readonly values: number[] }[];
}

type Field = { readonly field: number; readonly value: number | Uint8Array };

function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0, unit = 1;
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 127) * unit;
      if (byte < 128) return value;
      unit *= 128;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const field = Math.floor(key / 8);
    if (key % 8 === 0) yield { field, value: varint() };
    else if (key % 8 === 2) {
      const length = varint();
      yield { field, value: bytes.subarray(at, at += length) };
    } else throw new RangeError(`wire type ${key % 8} at ${at}`);
  }
}

function packed(bytes: Uint8Array): number[] {
  const values: number[] = [];
  for (let at = 0; at < bytes.length;) {
    let value = 0, unit = 1;
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 127) * unit;
      if (byte < 128) break;
      unit *= 128;
    }
    values.push(value);
  }
  return values;
}

const numberOf = (message: Uint8Array, field: number): number =>
  ([...fields(message)].find((f) => f.field === field)?.value ?? 0) as number;

export async function decodeProfile(gz: Uint8Array<ArrayBuffer>): Promise<ReadProfile> {
  const stream = new Blob([gz]).stream().pipeThrough(new DecompressionStream("gzip"));
  const all = [...fields(new Uint8Array(await new Response(stream).arrayBuffer()))];
  const messages = (field: number) =>
    all.filter((f) => f.field === field).map(({ value }) => value as Uint8Array);
  const strings = messages(6).map((bytes) => new TextDecoder().decode(bytes));
  const names = new Map(messages(5).map((f) => [numberOf(f, 1), strings[numberOf(f, 2)]]));
  const locations = new Map(
    messages(4).map((location) => {
      const line = [...fields(location)].find(({ field }) => field === 4)!.value as Uint8Array;
      return [numberOf(location, 1), names.get(numberOf(line, 1))!];
    }),
  );
  return {
    sampleTypes: messages(1).map((type) => strings[numberOf(type, 1)]),
    samples: messages(2).map((sample) => {
      const parts = [...fields(sample)];
      const list = (field: number) =>
        packed(parts.find((f) => f.field === field)!.value as Uint8Array);
      return { functions: list(1).map((id) => locations.get(id)!), values: list(2) };
    }),
  };
}
