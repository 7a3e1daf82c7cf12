import { Hono } from 'hono'
import { z } from 'zod'
import { UserError } from '../../errors.ts'
import type { AdapterFacts } from '../../generate/live-model.ts'
import { referenceTo } from '../../registry/adapters.ts'
import { checkName } from '../../registry/names.ts'
import { resolveAdapterPath } from '../adapter-paths.ts'
import { readJson } from '../body.ts'
import type { RequestVariables, ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { removeAdapter } from './models.ts'

const loadBody = z.strictObject({
  lora_name: z.string(),
  lora_path: z.string(),
  /** Takes the place of an adapter of the same name. */
  load_inplace: z.boolean().optional(),
})
const unloadBody = z.strictObject({ lora_name: z.string(), lora_int_id: z.int().optional() })

/** POST /v1/load_lora_adapter and /v1/unload_lora_adapter, as vLLM has them: plain text where they succeed. */
export function loraRoutes(context: ServerContext): Hono<RequestVariables> {
  const app = new Hono<RequestVariables>()
  app.post('/v1/load_lora_adapter', async (c) => {
    const { lora_name: name, lora_path: path, load_inplace: inPlace = false } = await readJson(c, loadBody)
    await loadAdapter(checkName(name, 'adapter'), path, inPlace, context)
    return c.text(`Success: LoRA adapter '${name}' added successfully.`)
  })
  app.post('/v1/unload_lora_adapter', async (c) => {
    const { lora_name: name } = await readJson(c, unloadBody)
    await removeAdapter(name, false, context)
    return c.text(`Success: LoRA adapter '${name}' removed successfully.`)
  })
  return app
}

async function loadAdapter(id: string, path: string, inPlace: boolean, { adapters, model, settings }: ServerContext): Promise<void> {
  const before = adapters.get(id)
  if (before !== undefined && !inPlace) throw alreadyLoaded(id)
  const directory = await resolveAdapterPath(path, settings.adapterRoots)
  const facts = await inspected(() => model.inspect(directory))
  const entry = { id, directory, facts, source: 'request' } as const
  if (!inPlace) {
    await adapters.add(entry)
    return
  }
  const adapter = await adapters.replace({ ...entry, pinned: before?.pinned })
  if (before === undefined || before.facts.sha256 === facts.sha256) return
  await model.drop(referenceTo(before).id)
  if (adapter.pinned) await model.pin(referenceTo(adapter))
}

/** vLLM answers 400 here, where 409 would be the usual. */
function alreadyLoaded(id: string): ApiError {
  return new ApiError(400, `There is an adapter ${id} already: unload it first, or set "load_inplace": true`, {
    param: 'lora_name', code: 'conflict',
  })
}

/** What is wrong with an adapter is wrong with the request. */
async function inspected(inspect: () => Promise<AdapterFacts>): Promise<AdapterFacts> {
  try {
    return await inspect()
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new ApiError(400, error.message, { param: 'lora_path', code: 'invalid_adapter', cause: error })
  }
}
