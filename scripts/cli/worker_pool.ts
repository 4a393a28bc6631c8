/** Jobs in workers, as many at a time as there are processors. */

/** What a worker answers: the job's result, or its error as data. */
export type Answer<Result> =
  | { readonly result: Result }
  | { readonly error: { readonly name: string; readonly message: string } };

/** In a worker: do the jobs that it is sent, one at a time. */
export function answerJobs<Job, Result>(run: (job: Job) => Promise<Result>): void {
  // The library's types are those of a window.
  const channel = self as unknown as {
    onmessage: (event: MessageEvent<Job>) => void;
    postMessage(answer: Answer<Result>): void;
  };
  channel.onmessage = async ({ data }) => {
    let answer: Answer<Result>;
    try {
      answer = { result: await run(data) };
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      answer = { error: { name, message } };
    }
    channel.postMessage(answer);
  };
}

interface Waiting<Job, Result> {
  readonly job: Job;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

/** Workers that each take one job at a time, in the order in which `run` was called. */
export class WorkerPool<Job, Result> implements Disposable {
  readonly #url: URL;
  readonly #size: number;
  readonly #workers: Worker[] = [];
  readonly #idle: Worker[] = [];
  readonly #queue: Waiting<Job, Result>[] = [];

  /** @param url a module that answers every message, a job, with an `Answer` */
  constructor(url: URL, size: number = navigator.hardwareConcurrency) {
    this.#url = url;
    this.#size = size;
  }

  run(job: Job): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.#next();
    });
  }

  /** End all workers; jobs that are not done never will be. */
  [Symbol.dispose](): void {
    this.#queue.length = 0;
    for (const worker of this.#workers) worker.terminate();
  }

  #next(): void {
    if (this.#queue.length === 0) return;
    if (this.#idle.length === 0 && this.#workers.length < this.#size) {
      const worker = new Worker(this.#url, { type: "module" });
      this.#workers.push(worker);
      this.#idle.push(worker);
    }
    const worker = this.#idle.pop();
    if (worker === undefined) return;
    const { job, resolve, reject } = this.#queue.shift()!;
    worker.onmessage = ({ data }: MessageEvent<Answer<Result>>) => {
      this.#idle.push(worker);
      if ("result" in data) resolve(data.result);
      else reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
      this.#next();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      worker.terminate();
      this.#workers.splice(this.#workers.indexOf(worker), 1);
      reject(new Error(event.message));
      this.#next();
    };
    worker.postMessage(job);
  }
}
