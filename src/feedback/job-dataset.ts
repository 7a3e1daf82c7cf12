import { open } from 'node:fs/promises'
import type { JobDataset, JobRows } from '../registry/jobs.ts'
import type { Store } from '../store/index.ts'
import type { Split } from './dataset-curate.ts'
import { exportSplit, referenceOf, resolveDataset, splitSizes, type Dataset } from './datasets.ts'

/** A version of a dataset for a job: `NAME` (the latest) or `NAME@VERSION`; undefined where there is none. */
export async function jobDataset(store: Store, name: string): Promise<JobDataset | undefined> {
  const dataset = await resolveDataset(store, `dataset:${name}`)
  if (dataset === undefined) return undefined
  const sizes = await splitSizes(store, dataset)
  return {
    kind: dataset.kind,
    train: rowsOf(store, dataset, 'train'),
    eval: sizes.eval === 0 ? undefined : rowsOf(store, dataset, 'eval'),
  }
}

function rowsOf(store: Store, dataset: Dataset, split: Split): JobRows {
  return {
    reference: referenceOf(dataset),
    source: { extension: '.jsonl', write: (path) => writeLines(path, exportSplit(store, dataset.id, split)) },
  }
}

async function writeLines(path: string, lines: AsyncIterable<string>): Promise<void> {
  await using file = await open(path, 'wx')
  for await (const line of lines) await file.write(line)
}
