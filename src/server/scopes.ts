import type { Scope } from './context.ts'

/** What a call needs: a scope, one of several, any key that is valid, or nothing. */
export type Need = Scope | readonly Scope[] | 'any' | 'none'

type Methods = 'read' | 'write' | 'any'

/** The first line that fits says what a call needs. A path stands for itself and all below it. */
const table: readonly (readonly [methods: Methods, path: string, need: Need])[] = [
  ['read', '/health', 'none'],
  ['read', '/metrics', 'any'],
  // The Studio's files hold no data.
  ['read', '/', 'none'],
  ['read', '/icon.svg', 'none'],
  ['read', '/assets', 'none'],
  ['write', '/v1/chat/completions/*', 'feedback'],
  ['read', '/v1/chat/completions', 'feedback'],
  ['write', '/v1/chat/completions', 'infer'],
  ['write', '/v1/completions/log', 'feedback'],
  ['write', '/v1/completions', 'infer'],
  ['read', '/v1/models', 'infer'],
  ['write', '/v1/models', 'train'],
  ['any', '/v1/feedback', 'feedback'],
  ['any', '/v1/inbox', 'feedback'],
  ['read', '/v1/datasets', 'feedback'],
  ['any', '/v1/datasets', 'train'],
  ['any', '/v1/files', 'train'],
  ['any', '/v1/fine_tuning', 'train'],
  ['read', '/v1/runs', 'train'],
  ['write', '/v1/recipes', 'train'],
  ['read', '/v1/guide', 'any'],
  ['write', '/v1/advise', 'train'],
  ['write', '/v1/estimates', 'train'],
  ['read', '/v1/evaluations', ['feedback', 'train']],
  ['any', '/v1/evaluations', 'train'],
  ['read', '/v1/map', ['feedback', 'train']],
  ['any', '/v1/adapters', 'train'],
  ['any', '/v1/merged', 'train'],
  ['any', '/v1/aliases', 'train'],
  ['write', '/v1/load_lora_adapter', 'train'],
  ['write', '/v1/unload_lora_adapter', 'train'],
]

/** Whether a method changes nothing. */
export function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

/** What a call needs; whatever no line speaks of is for administrators. @param path as the router has it */
export function needOf(method: string, path: string): Need {
  const methods: Methods = isRead(method) ? 'read' : 'write'
  const line = table.find(([of, prefix]) => (of === 'any' || of === methods) && isUnder(path, prefix))
  return line?.[2] ?? 'admin'
}

function isUnder(path: string, prefix: string): boolean {
  if (prefix.endsWith('/*')) return path.length >= prefix.length && path.startsWith(prefix.slice(0, -1))
  return path === prefix || path.startsWith(`${prefix}/`)
}

/** Administrators may do everything. */
export function allows(scopes: readonly Scope[], need: Need): boolean {
  if (need === 'none' || need === 'any' || scopes.includes('admin')) return true
  return [need].flat().some((scope) => scopes.includes(scope))
}
