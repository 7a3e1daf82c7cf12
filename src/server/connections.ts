import type { IncomingMessage, Server, ServerOptions } from 'node:http'
import { isUpload } from './guard.ts'

/** Times are milliseconds. */
export interface ConnectionLimits {
  /** Most connections at once; 1024 unless given. More are closed at once. */
  readonly most?: number | undefined
  /** Until a request's headers have to be there; 20 s unless given. */
  readonly headerTime?: number | undefined
  /** Until a body has to be there; 30 s unless given. */
  readonly bodyTime?: number | undefined
  /** The same for uploads; 10 minutes unless given. */
  readonly uploadTime?: number | undefined
}

/** What Node's server is made with so that headers cannot take forever. */
export function timeouts({ headerTime = 20_000, uploadTime = 600_000 }: ConnectionLimits = {}): ServerOptions {
  return {
    headersTimeout: headerTime,
    requestTimeout: Math.max(uploadTime, headerTime),
    connectionsCheckingInterval: Math.min(headerTime, 5000),
    keepAliveTimeout: 65_000,
  }
}

/** Bounds how many clients there are, and how long their bodies take. */
export function limitConnections(server: Server, { most = 1024, bodyTime = 30_000, uploadTime = 600_000 }: ConnectionLimits = {}): void {
  server.maxConnections = most
  server.on('request', (request: IncomingMessage) => {
    const path = request.url?.split('?')[0] ?? ''
    endSlowBody(request, isUpload(path) ? uploadTime : bodyTime)
  })
}

function endSlowBody(request: IncomingMessage, time: number): void {
  if (request.complete || (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined)) return
  const timer = setTimeout(() => { if (!request.complete) request.destroy() }, time).unref()
  const done = (): void => { clearTimeout(timer) }
  request.once('end', done)
  request.once('close', done)
}
