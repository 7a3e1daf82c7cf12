/** What is measured by itself when a job has made an adapter. */
import type { DataKindName } from '../data/kinds.ts'
import { UserError } from '../errors.ts'
import { checkGrader } from '../evaluate/graders/index.ts'
import type { RecipeInput } from '../train/recipe.ts'
import type { Adapter, AdapterRegistry } from './adapters.ts'
import { NotFoundError } from './errors.ts'
import type { Evaluations } from './evaluations.ts'
import { kindOfJob, planOf } from './job-recipe.ts'
import type { Job } from './job-states.ts'
import { defaultSampling, type NewSuite, type SuiteRows } from './suites.ts'

/** Evaluations of the base, of the adapters that a job's adapter goes back to, and of itself, on the job's held-out rows. */
export async function evaluateJob(evaluations: Evaluations, adapters: AdapterRegistry, job: Job, adapterId: string): Promise<void> {
  if (!planOf(job).evaluate) return
  const suite = await suiteOf(evaluations, job)
  if (suite !== undefined) await evaluations.ask(suite, lineageOf(adapters, adapterId), job.id)
}

/** The base (null), then an adapter's ancestors, the oldest first, then itself. */
export function lineageOf(adapters: Pick<AdapterRegistry, 'get'>, adapterId: string): (Adapter | null)[] {
  const lineage: Adapter[] = []
  for (let adapter = adapters.get(adapterId); adapter !== undefined; adapter = adapter.parentId === null ? undefined : adapters.get(adapter.parentId)) {
    if (lineage.includes(adapter)) break
    lineage.unshift(adapter)
  }
  return [null, ...lineage]
}

/** undefined: the job has no held-out rows that can be measured on. */
async function suiteOf(evaluations: Evaluations, job: Job): Promise<NewSuite | undefined> {
  const kind = kindOfJob(job)
  const rows = job.validation_file === null ? undefined : await heldOut(evaluations, job.validation_file, kind)
  if (rows === undefined || rows.kind !== kind) return undefined
  return kind === 'prompts' ? rewardSuite(rows, job) : { rows }
}

/** Rows of a file have no kind before they are read: the job knows it. */
async function heldOut(evaluations: Evaluations, reference: string, kind: DataKindName): Promise<SuiteRows | undefined> {
  try {
    const rows = await evaluations.rowsOf(reference)
    return { ...rows, kind: rows.kind ?? kind }
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}

/** By the reward that was trained on; undefined where that cannot grade here. */
function rewardSuite(rows: SuiteRows, job: Job): NewSuite | undefined {
  const recipe = JSON.parse(job.recipe_json) as RecipeInput & Readonly<Record<string, unknown>>
  const { reward, max_new_tokens: maxTokens } = recipe[recipe.method] as { readonly reward: unknown; readonly max_new_tokens?: number }
  try {
    checkGrader(reward)
  } catch (error) {
    if (error instanceof UserError) return undefined
    throw error
  }
  return { rows, grader: reward, ...(maxTokens !== undefined && { sampling: { ...defaultSampling, max_tokens: maxTokens } }) }
}
