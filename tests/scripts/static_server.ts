/** A plain static file server of the checkout, as any web host would be one. */

const root = new URL("../..", import.meta.url).pathname;

export interface StaticServer extends AsyncDisposable {
  readonly origin: string;
  /** Paths that were asked for. */
  readonly requests: readonly string[];
}

export function serveCheckout(): StaticServer {
  const requests: string[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      requests.push(pathname);
      try {
        const bytes = await Deno.readFile(root + decodeURIComponent(pathname).slice(1));
        const type = pathname.endsWith(".ts") ? "application/typescript" : "application/json";
        return new Response(bytes, { headers: { "content-type": type } });
      } catch {
        return new Response("not found", { status: 404 });
      }
    },
  );
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
