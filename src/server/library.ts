/** A server as a program's part. */
import type { ServerOptions, StartedServer } from './options.ts'
import { startServer as start } from './serve.ts'

export type { ServerOptions, StartedServer } from './options.ts'

/** Starts a server; it answers when the promise resolves. @throws UserError where something of it cannot be opened */
export async function startServer(options: ServerOptions): Promise<StartedServer> {
  return start(options)
}
