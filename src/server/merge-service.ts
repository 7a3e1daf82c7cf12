/** The worker side of merging: reading and writing all weights of a model takes seconds. */
import { merge, type MergeOptions, type MergeResult } from '../models/merge.ts'
import { serve } from '../runtime/worker.ts'

serve({
  merge: async (options: MergeOptions): Promise<MergeResult> => merge(options),
})
