import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { UserError, messageOf } from '../../errors.ts'
import { replaceDirectory, writeFileDurably } from '../../files.ts'

/** Bytes fetched of a whole model; `total` is undefined where the source does not say. */
export interface FetchProgress {
  /** What is being fetched, for people: a file's name. */
  readonly label: string
  readonly received: number
  readonly total: number | undefined
}

/** How long a server may take to begin its answer, and to send the next bytes of it. */
const [connectMilliseconds, stallMilliseconds] = [6_000, 30_000]

/** What a model needs to run beside its weights. Everything else (other formats, code, pictures) stays on the hub. */
const wanted = new Set([
  'config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json',
  'added_tokens.json', 'chat_template.jinja',
])
const shard = /^model-\d{5}-of-\d{5}\.safetensors$/
const [wholeWeights, weightIndex] = ['model.safetensors', 'model.safetensors.index.json']

const listingSchema = z.looseObject({
  sha: z.string().regex(/^[0-9a-f]{6,64}$/),
  siblings: z.array(z.looseObject({
    rfilename: z.string(),
    size: z.number().optional(),
    lfs: z.looseObject({ sha256: z.string() }).nullish(),
  })),
})

interface HubFile {
  readonly name: string
  readonly size: number | undefined
  readonly sha256: string | undefined
}

/** `owner/name`, and nothing that could be taken for a path. */
export function isHubId(ref: string): boolean {
  return /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/.test(ref) && !ref.includes('..')
}

/**
 * Downloads a model's configuration, tokenizer and safetensors from the Hugging Face hub into `directory`.
 *
 * Honours HF_ENDPOINT and HF_TOKEN. Large files are checked against the hub's SHA-256. The directory appears only
 * when everything is there. Throws a UserError that says what was tried; an unreachable hub is given up in seconds.
 */
export async function downloadFromHub(
  id: string, directory: string, onProgress: (progress: FetchProgress) => void = () => {},
): Promise<void> {
  const endpoint = (process.env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '')
  const { revision, files } = await listFiles(endpoint, id)
  const total = files.reduce((sum, { size }) => sum + (size ?? 0), 0)
  await replaceDirectory(directory, async (aside) => {
    let before = 0
    for (const file of files) {
      const url = `${endpoint}/${id}/resolve/${revision}/${file.name}`
      const report = (received: number) => onProgress({ label: file.name, received: before + received, total })
      before += await downloadFile(url, file, join(aside, file.name), report)
    }
  })
}

async function listFiles(endpoint: string, id: string): Promise<{ revision: string; files: HubFile[] }> {
  const url = `${endpoint}/api/models/${id}/revision/main?blobs=true`
  const listing = await request(url, async response => (await response.json()) as unknown)
  const parsed = listingSchema.safeParse(listing)
  if (!parsed.success) {
    throw new UserError(`${url} did not answer as the Hugging Face hub does:\n${z.prettifyError(parsed.error)}`)
  }
  const files = parsed.data.siblings.map(({ rfilename, size, lfs }) => ({ name: rfilename, size, sha256: lfs?.sha256 }))
  return { revision: parsed.data.sha, files: selectFiles(id, files) }
}

function selectFiles(id: string, files: readonly HubFile[]): HubFile[] {
  const has = (name: string) => files.some(file => file.name === name)
  const isWeights = (name: string) =>
    has(weightIndex) ? name === weightIndex || shard.test(name) : name === wholeWeights
  if (!files.some(({ name }) => isWeights(name))) {
    const gguf = files.find(({ name }) => name.endsWith('.gguf'))
    throw new UserError(`${id} on the hub has no safetensors weights` + (gguf === undefined
      ? '. Pickled weights (.bin, .pt) are not read, since loading them can run code'
      : `, but ${gguf.name}: download that file and give its path`))
  }
  if (!has('config.json')) throw new UserError(`${id} on the hub has no config.json: it is not a transformers model`)
  return files.filter(({ name }) => wanted.has(name) || isWeights(name))
}

/** Returns the number of bytes. */
async function downloadFile(
  url: string, file: HubFile, path: string, report: (received: number) => void,
): Promise<number> {
  return request(url, async (response, alive) => {
    const hash = createHash('sha256')
    let received = 0
    await writeFileDurably(path, async (output) => {
      for await (const chunk of response.body ?? []) {
        alive()
        hash.update(chunk)
        await output.writeFile(chunk)
        received += chunk.byteLength
        report(received)
      }
    })
    if (file.size !== undefined && received !== file.size) {
      throw new UserError(`${url} ended after ${received} of ${file.size} bytes. Run again`)
    }
    if (file.sha256 !== undefined && hash.digest('hex') !== file.sha256) {
      throw new UserError(`${url} does not have the SHA-256 that the hub lists for it. ` +
        'Run again; if it stays so, do not trust the source')
    }
    return received
  })
}

/** Sends a GET; `read` gets a successful response and calls `alive` whenever bytes have come. */
async function request<T>(url: string, read: (response: Response, alive: () => void) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  let timer = setTimeout(() => abort.abort(), connectMilliseconds)
  const alive = () => {
    clearTimeout(timer)
    timer = setTimeout(() => abort.abort(), stallMilliseconds)
  }
  try {
    const token = process.env.HF_TOKEN
    const headers = token ? { authorization: `Bearer ${token}` } : undefined
    const response = await fetch(url, { signal: abort.signal, ...(headers && { headers }) })
    alive()
    if (!response.ok) throw refusal(url, response.status)
    return await read(response, alive)
  } catch (error) {
    if (error instanceof UserError) throw error
    throw unreachable(url, abort.signal.aborted, error)
  } finally {
    clearTimeout(timer)
    abort.abort()
  }
}

function refusal(url: string, status: number): UserError {
  const advice: Readonly<Record<number, string>> = {
    401: 'The model is private, gated or does not exist: check its name, or set HF_TOKEN to a token that may read it',
    403: 'The token in HF_TOKEN may not read it: accept the model\'s terms on its page, or use another token',
    404: 'There is no such model or file: check the name',
    429: 'The hub limits how much you may ask: wait, or set HF_TOKEN',
  }
  return new UserError(`${url} answered ${status}. ${advice[status] ?? 'Try again later'}`)
}

function unreachable(url: string, timedOut: boolean, error: unknown): UserError {
  const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error)
  const proxy = process.env.HTTPS_PROXY || process.env.https_proxy
  const hint = proxy ? ' A proxy is set: Node uses it only if NODE_USE_ENV_PROXY=1 is set, too.' : ''
  return new UserError(`${url} cannot be reached: ${timedOut ? 'no answer in time' : cause}. ` +
    `Check the network, or name a model that is on this machine, by its path.${hint}`, { cause: error })
}
