/** Who may call at all: a keyless port on loopback is open to every web page and every proxy beside it. */
import { BlockList } from 'node:net'
import type { Context, MiddlewareHandler } from 'hono'
import type { HttpBindings } from '@hono/node-server'
import type { RequestVariables, Scope } from './context.ts'
import { ApiError } from './errors.ts'
import { allows, isRead, needOf, type Need } from './scopes.ts'

/** A key that was checked. */
export interface VerifiedKey {
  readonly id: string
  readonly scopes: readonly Scope[]
}

export interface GuardOptions {
  /** Names besides localhost, 127.0.0.1 and [::1] under which the server may be called, without port. */
  readonly allowedHosts: readonly string[]
  /** Whether calls from this machine need a key too. */
  readonly requireKey: boolean
  /** What a key may do; undefined for one that is unknown, expired or revoked. */
  verifyKey(key: string): Promise<VerifiedKey | undefined>
}

/** Refuses calls that have no business here (DESIGN section 7), and tells the routes whose key it was. */
export function guard(options: GuardOptions): MiddlewareHandler<RequestVariables> {
  const hosts = new Set(['localhost', '127.0.0.1', '[::1]', ...options.allowedHosts.map((host) => host.toLowerCase())])
  return async (c, next) => {
    checkHost(c, hosts)
    if (!isRead(c.req.method)) {
      checkOrigin(c)
      checkContentType(c)
    }
    const need = needOf(c.req.method, c.req.path)
    const key = await keyOf(c, options)
    if (key === undefined && need !== 'none' && needsKey(c, options)) throw noKey()
    if (key !== undefined && !allows(key.scopes, need)) throw lacksScope(key, need)
    c.set('keyId', key?.id)
    await next()
  }
}

function checkHost(c: Context, hosts: ReadonlySet<string>): void {
  const host = (c.req.header('host') ?? '').toLowerCase().replace(/:\d+$/, '')
  if (hosts.has(host)) return
  throw new ApiError(403, `This server does not answer to the host ${JSON.stringify(host)}: start it with --allow-host to permit it`, {
    code: 'host_not_allowed',
  })
}

/** A browser names the page that a call comes from; no page but our own may change anything. */
function checkOrigin(c: Context): void {
  const origin = c.req.header('origin')
  const foreign = origin === undefined
    ? c.req.header('sec-fetch-site') === 'cross-site'
    : !URL.canParse(origin) || new URL(origin).host !== c.req.header('host')?.toLowerCase()
  if (foreign) throw new ApiError(403, 'Calls from web pages of another origin are refused', { code: 'origin_not_allowed' })
}

/** A form of any web page can post text and forms without asking; it cannot post JSON, nor an upload with our Origin. */
function checkContentType(c: Context): void {
  const type = c.req.header('content-type')?.split(';')[0]!.trim().toLowerCase()
  if (type === undefined) {
    if (hasBody(c)) throw wrongType('nothing')
  } else if (type !== 'application/json' && !(type === 'multipart/form-data' && isUpload(c.req.path))) {
    throw wrongType(type)
  }
}

function wrongType(type: string): ApiError {
  return new ApiError(415, `The content type is ${type}: send application/json`, { code: 'unsupported_media_type' })
}

function hasBody(c: Context): boolean {
  return c.req.header('transfer-encoding') !== undefined || Number(c.req.header('content-length') ?? 0) > 0
}

/** Whether a path takes uploads: their bodies have a limit of their own. */
export function isUpload(path: string): boolean {
  return path === '/v1/files'
}

async function keyOf(c: Context, options: GuardOptions): Promise<VerifiedKey | undefined> {
  const header = c.req.header('authorization')
  if (header === undefined) return undefined
  const [, token = ''] = /^Bearer +(\S+) *$/i.exec(header) ?? []
  const key = await options.verifyKey(token)
  if (key !== undefined) return key
  // OpenAI's clients always send a key. Where none is needed, one that is none of ours means nothing.
  if (needsKey(c, options) || token.startsWith('pt-')) throw wrongKey()
  return undefined
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether an address of this machine alone. */
export function isLoopback(address: string): boolean {
  const version4 = /^::ffff:([\d.]+)$/i.exec(address)?.[1] ?? (address.includes(':') ? undefined : address)
  return version4 === undefined ? loopback.check(address, 'ipv6') : loopback.check(version4, 'ipv4')
}

function needsKey(c: Context, { requireKey }: GuardOptions): boolean {
  if (requireKey || wasForwarded(c)) return true
  const address = (c.env as Partial<HttpBindings> | undefined)?.incoming?.socket.remoteAddress
  return address === undefined || !isLoopback(address)
}

/** A proxy on this machine makes the whole network's calls look like its own. */
function wasForwarded(c: Context): boolean {
  for (const name of c.req.raw.headers.keys()) {
    if (name === 'forwarded' || name === 'via' || name === 'x-real-ip' || name.startsWith('x-forwarded-')) return true
  }
  return false
}

function noKey(): ApiError {
  return new ApiError(401, 'This call needs a key: send it as "Authorization: Bearer pt-…"; posttrain keys create makes one', {
    code: 'missing_api_key', headers: { 'www-authenticate': 'Bearer' },
  })
}

function wrongKey(): ApiError {
  return new ApiError(401, 'The key is unknown, expired or revoked', {
    code: 'invalid_api_key', headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  })
}

function lacksScope({ scopes }: VerifiedKey, need: Need): ApiError {
  const has = scopes.length === 0 ? 'none' : scopes.join(', ')
  return new ApiError(403, `The key lacks the scope ${[need].flat().join(' or ')}; it has ${has}`, { code: 'insufficient_scope' })
}
