/** What a dataset is to be made of. */
import { z } from 'zod'
import { completionFilter } from './completion-filter.ts'

const rating = z.number().min(1).max(5)

const fieldName = z.string().regex(/^(?!prompt$|messages$|tools$)[A-Za-z_]\w{0,63}$/, {
  error: 'must be letters, digits and _, and none of prompt, messages and tools',
})

const options = z.strictObject({
  /** sft: answers that were rated so high are demonstrations; null: ratings are not used. */
  min_rating: rating.nullable().default(4),
  /** sft: so are answers with a thumb up. */
  thumbs_up: z.boolean().default(true),
  /** labelled: ratings from `rating_up` on are thumbs up, up to `rating_down` thumbs down; unless given, ratings are not used. */
  rating_up: rating.optional(),
  rating_down: rating.optional(),
  /** prompts: keys of the metadata that become fields of the row, for graders to read. */
  fields: z.array(fieldName).max(16).default([]),
  /** false: conversations whose prompts are nearly the same may stand on both sides of the split. */
  near_duplicates: z.boolean().default(true),
  /** Most feedback events (prompts: completions) that are read, the newest first. */
  limit: z.int().min(1).max(1_000_000).default(200_000),
})

/** The keys of `POST /v1/datasets`. */
export const datasetKeys = z.strictObject({
  name: z.string().regex(/^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/, {
    error: 'must be letters, digits and _ . - (no two dots together), at most 100, and begin with a letter, a digit or _',
  }),
  kind: z.enum(['sft', 'pairs', 'labelled', 'prompts']),
  filter: completionFilter.default({}),
  /** Id of an uploaded file whose rows the dataset is made of, in place of feedback. */
  file: z.string().optional(),
  /** Share of the rows that is held out; whole conversations only. */
  eval_fraction: z.number().min(0).max(0.9).default(0.1),
  seed: z.int().min(0).default(0),
  options: options.default(options.parse({})),
  /** Only counts what there is, and makes nothing. */
  dry_run: z.boolean().default(false),
})

/** `POST /v1/datasets` */
export const datasetBody = datasetKeys.refine(({ file, filter }) => file === undefined || Object.keys(filter).length === 0, {
  error: 'is of feedback: all rows of a file are taken', path: ['filter'],
}).refine(({ file, dry_run: dryRun }) => file === undefined || !dryRun, {
  error: 'counts feedback; what is in a file, GET /v1/files/ID/check says', path: ['dry_run'],
})

export type DatasetSpec = z.output<typeof datasetBody>
export type DatasetKind = DatasetSpec['kind']

/** What a version was made by: the filter that found its rows, or the file that they are from, and the edits that were made of them since. */
export interface MadeBy extends Partial<Omit<DatasetSpec, 'name' | 'kind' | 'dry_run'>> {
  readonly edited?: {
    /** The version whose rows were edited: `dataset:NAME@VERSION`. */
    readonly from: string
    readonly note: string | null
  }
}
