import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer, type HttpBindings } from '@hono/node-server'
import { UserError } from '../errors.ts'
import { codeOf } from '../files.ts'
import { limitConnections, timeouts, type ConnectionLimits } from './connections.ts'
import { ApiError } from './errors.ts'

type Answer = (request: Request, env: HttpBindings) => Response | Promise<Response>

/** How long answers that are written may take to be read when the server stops, in milliseconds. */
const lastReads = 1000

/** A port that is listened to. It is taken before anything else is opened: that it cannot be had is known at once. */
export class Listener implements AsyncDisposable {
  readonly url: string
  readonly #server: Server
  #answer: Answer = notYet

  private constructor(server: Server, url: string) {
    this.#server = server
    this.url = url
  }

  /** @param port 0 takes a free one @throws UserError where it cannot be listened to */
  static async open(host: string, port: number, limits: ConnectionLimits = {}): Promise<Listener> {
    const server = createAdaptorServer({
      fetch: (request, env) => listener.#answer(request, env as HttpBindings),
      overrideGlobalObjects: false,
      serverOptions: timeouts(limits),
    }) as Server
    limitConnections(server, limits)
    const address = await listen(server, host, port)
    const listener = new Listener(server, `http://${bracketed(address.address)}:${address.port}`)
    return listener
  }

  /** Who answers from now on; until then every call is told to wait. */
  answerWith(answer: Answer): void {
    this.#answer = answer
  }

  /** Takes no new connections, waits for `finish`, and closes those that there are. */
  async close(finish: () => Promise<void> = async () => undefined): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise((resolve) => { this.#server.close(resolve) })
    await finish()
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => { this.#server.closeAllConnections() }, lastReads)
    await closed
    clearTimeout(timer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** As an address stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function notYet(): Response {
  const { status, body } = new ApiError(503, 'The server is starting: its model is being loaded', { code: 'server_starting' })
  return Response.json(body, { status, headers: { 'retry-after': '2' } })
}

async function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  server.once('error', reject)
  server.listen(port, host, () => { resolve(undefined) })
  try {
    await promise
    server.off('error', reject)
    return server.address() as AddressInfo
  } catch (error) {
    throw listenError(error, host, port)
  }
}

function listenError(error: unknown, host: string, port: number): unknown {
  const explained = (text: string): UserError => new UserError(text, { cause: error })
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return explained(`Port ${port} of ${host} is in use: stop what listens there, or give another with --port (0 takes a free one)`)
    case 'EACCES':
      return explained(`Listening on port ${port} is not permitted: ports below 1024 need special rights. Give another with --port`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return explained(`This machine has no address ${host}: give one that it has with --host (127.0.0.1, 0.0.0.0)`)
    default:
      return error
  }
}
