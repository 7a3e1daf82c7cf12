import { rm } from 'node:fs/promises'
import { Hono } from 'hono'
import { deleteUser, type Deletion } from '../../feedback/deletion.ts'
import { ConflictError } from '../../registry/errors.ts'
import { jobFolder } from '../../registry/job-folder.ts'
import { runPaths } from '../../train/run-folder.ts'
import type { RequestVariables, ServerContext } from '../context.ts'

/** `DELETE /v1/users/:id/data`, for administrators. */
export function userRoutes(context: ServerContext): Hono<RequestVariables> {
  const { store, capture: { redactor }, audit } = context
  const app = new Hono<RequestVariables>()

  app.delete('/v1/users/:id/data', async (c) => {
    const user = c.req.param('id')
    const deletion = await deleteUser(store, redactor, user)
    for (const { id } of deletion.jobs) await removeCopies(context, id)
    await context.evaluations.forgetDeleted(deletion.datasets.map(({ id }) => id))
    await audit.append({
      keyId: c.get('keyId') ?? null, action: 'DELETE /v1/users/:id/data', target: redactor.identifier(user), detail: counts(deletion),
    })
    return c.json({ object: 'user.data.deleted', user, ...counts(deletion), ...remains(deletion) })
  })

  return app
}

/** A job that goes on would need the rows: it is cancelled, which removes them. What a run kept of them goes in any case. */
async function removeCopies({ jobs, settings }: ServerContext, id: string): Promise<void> {
  await jobs.cancel(id).catch((error: unknown) => { if (!(error instanceof ConflictError)) throw error })
  const { data, run } = jobFolder(settings.directory, id)
  const { samples, report } = runPaths(run)
  for (const path of [data, samples, report]) await rm(path, { recursive: true, force: true })
}

function counts({ completions, feedback, datasetRows }: Deletion) {
  return { completions, feedback, dataset_rows: datasetRows }
}

function remains({ datasets, jobs, adapters }: Deletion) {
  return {
    datasets,
    /** As they were before; those that had not ended are cancelled. */
    jobs: jobs.map(({ id, status, fineTunedModel }) => ({ id, status, fine_tuned_model: fineTunedModel })),
    adapters,
    note: 'Adapters trained on the removed rows stay; uploaded files are untouched, since it cannot be told whose rows they hold.',
  }
}
