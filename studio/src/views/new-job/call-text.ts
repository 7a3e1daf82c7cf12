/** A job's request as people would send it themselves. */
import type { JobRequest } from '../../../../src/server/routes/jobs-request.ts'

/** @param origin of the server: http://127.0.0.1:8000 */
export function curlOf(request: JobRequest, origin: string, { key = false }: { readonly key?: boolean } = {}): string {
  const lines = [
    `curl ${origin}/v1/fine_tuning/jobs`,
    ...(key ? ['  -H "authorization: Bearer $POSTTRAIN_KEY"'] : []),
    `  -H 'content-type: application/json'`,
    `  -d ${quoted(JSON.stringify(request, null, 2))}`,
  ]
  return lines.join(' \\\n')
}

/** For a POSIX shell: nothing inside is read by it. */
function quoted(text: string): string {
  return `'${text.replaceAll(`'`, `'\\''`)}'`
}

/** With OpenAI's client, whose `post` takes also what its types have no words for. */
export function typescriptOf(request: JobRequest, origin: string): string {
  return `import OpenAI from 'openai'

type Job = OpenAI.FineTuning.FineTuningJob
const client = new OpenAI({
  baseURL: '${origin}/v1',
  apiKey: process.env.POSTTRAIN_KEY ?? 'none',
})
const job = await client.post<Job>('/fine_tuning/jobs', {
  body: ${literal(request, '  ')},
})
console.log(job.id, job.status)
`
}

const lineLength = 64

/** A value as TypeScript is written: keys bare where they may be, texts in single quotes. */
function literal(value: unknown, indent: string): string {
  if (typeof value === 'string') return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll(`'`, `\\'`)}'`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = `${indent}  `
  const entries = Array.isArray(value) ? value.map((entry) => literal(entry, inner)) : Object.entries(value).map(([key, entry]) => `${keyText(key)}: ${literal(entry, inner)}`)
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{ ', ' }']
  const line = `${open}${entries.join(', ')}${close}`
  if (line.length + indent.length <= lineLength && !line.includes('\n')) return entries.length === 0 ? `${open.trim()}${close.trim()}` : line
  return `${open.trim()}\n${entries.map((entry) => `${inner}${entry},\n`).join('')}${indent}${close.trim()}`
}

function keyText(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : `'${key.replaceAll('\\', '\\\\').replaceAll(`'`, `\\'`)}'`
}
