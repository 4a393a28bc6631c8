/** Chromium without a window, told what to do through its DevTools protocol. */
import { available } from "../../scripts/tools/command.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly request?: { readonly url: string } };
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

export class Browser implements AsyncDisposable {
  /** URLs that pages asked for. */
  readonly requests: string[] = [];
  readonly #waiting = new Map<number, (message: Message) => void>();
  #id = 0;
  #loaded: () => void = () => {};

  private constructor(
    readonly process: Deno.ChildProcess,
    readonly profile: string,
    readonly socket: WebSocket,
  ) {
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
  }

  /** The name of a Chromium that there is. */
  static async find(): Promise<string | undefined> {
    for (const name of NAMES) if (await available(name)) return name;
    return undefined;
  }

  static async start(): Promise<Browser> {
    const profile = await Deno.makeTempDir();
    const process = new Deno.Command((await Browser.find())!, {
      args: [
        ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        ...["--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    let said = "";
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
      said += text;
      if (/DevTools listening on \S+\s/.test(said)) break;
    }
    const [, host] = /DevTools listening on ws:\/\/([^/]+)/.exec(said)!;
    const pages = await (await fetch(`http://${host}/json`)).json();
    const socket = new WebSocket(
      pages.find(({ type }: { type: string }) => type === "page").webSocketDebuggerUrl,
    );
    await new Promise((resolve) => socket.onopen = resolve);
    const browser = new Browser(process, profile, socket);
    await browser.send("Page.enable");
    await browser.send("Network.enable");
    return browser;
  }

  #take({ id, method, params, ...message }: Message): void {
    if (id !== undefined) this.#waiting.get(id)?.(message);
    else if (method === "Network.requestWillBeSent") this.requests.push(params!.request!.url);
    else if (method === "Page.loadEventFired") this.#loaded();
  }

  /** Call a method of the protocol. */
  async send(method: string, params: unknown = {}): Promise<unknown> {
    const id = this.#id++;
    const answer = await new Promise<Message>((resolve) => {
      this.#waiting.set(id, resolve);
      this.socket.send(JSON.stringify({ id, method, params }));
    });
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  }

  /** Open a page and wait until it has loaded. */
  async open(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => this.#loaded = resolve);
    await this.send("Page.navigate", { url });
    await loaded;
  }

  /** The value of an expression of JavaScript on the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.send("Runtime.evaluate", { expression, returnByValue: true });
    const { result, exceptionDetails } = answer as {
      readonly result: { readonly value: T };
      readonly exceptionDetails?: { readonly text: string };
    };
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text);
    return result.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close();
    this.process.kill("SIGTERM");
    await this.process.status;
    await Deno.remove(this.profile, { recursive: true }).catch(() => {});
  }
}
