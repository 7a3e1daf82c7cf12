import type { JobRequest } from '../../../../src/server/routes/jobs-request.ts'
import type { RecipeText } from '../../../../src/server/routes/recipes-wire.ts'
import { call } from '../../api/client.ts'
import { live, type Live } from '../../api/live.svelte.ts'

/** Milliseconds without another key: what is still being typed is not asked about. */
const pause = 200

export interface Rendered extends RecipeText {
  /** What it was made of. */
  readonly request: JobRequest
}

/** The request's recipe, with every default filled in, as YAML too; an error names the request's key. Asked anew whenever it changes. */
export function rendered(request: () => JobRequest | undefined): Live<Rendered | undefined> {
  return live(async (signal) => {
    const asked = request()
    if (asked === undefined) return undefined
    await settled(signal)
    return { ...await call<RecipeText>('/v1/recipes/render', { body: { request: asked }, signal }), request: asked }
  })
}

/** @throws AbortError */
export async function settled(signal: AbortSignal): Promise<void> {
  await new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, pause)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }, { once: true })
  })
}
