/** Calls to addresses that came in a request: they must not reach what only this machine or its network can reach. */
import { lookup } from 'node:dns/promises'
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { UserError, messageOf } from '../errors.ts'

export interface Address {
  readonly address: string
  readonly family: 4 | 6
}

/** All addresses of a host's name. */
export type Resolve = (host: string) => Promise<readonly Address[]>

export interface SafeFetchOptions {
  readonly method?: 'GET' | 'POST' | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | undefined
  /** Of the whole call, milliseconds; 10,000 unless given. */
  readonly timeout?: number | undefined
  /** What the operator permits besides public addresses: `host`, `host:port`, an address, or a subnet as `10.0.0.0/8`. */
  readonly allow?: readonly string[] | undefined
  /** The system's resolver unless given. */
  readonly resolve?: Resolve | undefined
}

/** IPv4 that is not the public internet: IANA's special-purpose registry, multicast and what is reserved. */
const closed4 = new BlockList()
for (const subnet of [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24',
  '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4',
]) addSubnet(closed4, subnet)

/** IPv6 that is public: global unicast, less what stands for other networks in it (Teredo, 6to4, documentation). */
const open6 = new BlockList()
addSubnet(open6, '2000::/3')
const closed6 = new BlockList()
for (const subnet of ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']) addSubnet(closed6, subnet)

/** Whether an address belongs to the public internet. */
export function isPublic({ address, family }: Address): boolean {
  return family === 4 ? !closed4.check(address, 'ipv4') : open6.check(address, 'ipv6') && !closed6.check(address, 'ipv6')
}

/**
 * Checks an address from a request before it is kept. It is checked again, after resolution, when it is called.
 * @throws UserError (exitCode 2) that says what is wrong with it
 */
export function checkUrl(text: string, allow: readonly string[] = []): URL {
  const refuse = (why: string): never => { throw new UserError(`the address ${JSON.stringify(text.slice(0, 200))} ${why}`, { exitCode: 2 }) }
  if (!URL.canParse(text)) return refuse('is no URL')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') refuse('must begin with https:// or http://')
  if (url.username !== '' || url.password !== '') refuse('must not hold a password')
  const literal = literalOf(url)
  if (literal !== undefined) assertOpen(url, [literal], allow)
  else if (/(^|\.)localhost\.?$/i.test(url.hostname) && !isNamed(url, allow)) throw closed(url)
  return url
}

/**
 * Calls an address that came from outside. Its host is resolved once, all its addresses are checked, and one of these is
 * connected to: a name that means another place a moment later changes nothing. Redirects are not followed.
 * @returns the status
 * @throws UserError for an address that is not public, or where nothing answers
 */
export async function safeFetch(text: string, options: SafeFetchOptions = {}): Promise<number> {
  const { allow = [], resolve = resolveAll } = options
  const url = checkUrl(text, allow)
  const literal = literalOf(url)
  const addresses = literal === undefined ? await resolved(url, resolve) : [literal]
  assertOpen(url, addresses, allow)
  const response = await send(url, addresses[0]!, options)
  // What it says is of no use; read to its end, it could be endless.
  response.destroy()
  return response.statusCode ?? 0
}

/** The address that stands in the URL itself. Decimal, octal and hexadecimal forms are dotted by now: WHATWG's parser does that. */
function literalOf({ hostname }: URL): Address | undefined {
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  const family = isIP(address)
  return family === 4 || family === 6 ? { address, family } : undefined
}

async function resolveAll(host: string): Promise<readonly Address[]> {
  const found = await lookup(host, { all: true, verbatim: true })
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))
}

async function resolved(url: URL, resolve: Resolve): Promise<readonly Address[]> {
  try {
    const addresses = await resolve(url.hostname)
    if (addresses.length > 0) return addresses
  } catch (error) {
    throw new UserError(`the host ${url.hostname} cannot be resolved: ${messageOf(error)}`, { cause: error })
  }
  throw new UserError(`the host ${url.hostname} has no address`)
}

function assertOpen(url: URL, addresses: readonly Address[], allow: readonly string[]): void {
  if (isNamed(url, allow)) return
  const permitted = subnetsOf(allow)
  const isOpen = (address: Address): boolean => isPublic(address) || permitted.check(address.address, address.family === 4 ? 'ipv4' : 'ipv6')
  if (!addresses.every(isOpen)) throw closed(url)
}

function closed({ hostname }: URL): UserError {
  return new UserError(`the host ${hostname} is not on the public internet: only the server's operator can permit it`, { exitCode: 2 })
}

/** Whether the operator permits the host by its name. */
function isNamed({ hostname, host }: URL, allow: readonly string[]): boolean {
  return allow.some((entry) => entry.toLowerCase() === hostname || entry.toLowerCase() === host)
}

function subnetsOf(allow: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of allow) {
    if (isIP(entry) !== 0) list.addAddress(entry, isIP(entry) === 4 ? 'ipv4' : 'ipv6')
    else if (isIP(entry.split('/')[0]!) !== 0) addSubnet(list, entry)
  }
  return list
}

function addSubnet(list: BlockList, subnet: string): void {
  const [network, prefix] = subnet.split('/')
  list.addSubnet(network!, Number(prefix), isIP(network!) === 4 ? 'ipv4' : 'ipv6')
}

function send(url: URL, { address, family }: Address, { method = 'POST', headers = {}, body, timeout = 10_000 }: SafeFetchOptions): Promise<IncomingMessage> {
  const pinned: LookupFunction = (_host, { all }, callback) => {
    if (all === true) callback(null, [{ address, family }])
    else callback(null, address, family)
  }
  const settings: RequestOptions = { method, headers, lookup: pinned, agent: false, signal: AbortSignal.timeout(timeout) }
  return new Promise((resolve, reject) => {
    const call = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, settings, resolve)
    call.on('error', (error) => {
      const why = error.name === 'AbortError' || error.name === 'TimeoutError' ? `it did not answer within ${timeout / 1000} s` : messageOf(error)
      reject(new UserError(`${url.origin} cannot be called: ${why}`, { cause: error }))
    })
    call.end(body)
  })
}
