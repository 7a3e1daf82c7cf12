/** The worker side of merging: reading and writing all weights of a model takes seconds. */
import { setPriority } from 'node:os'
import { merge, type MergeOptions, type MergeResult } from '../models/merge.ts'
import { serve } from '../runtime/worker.ts'

export type MergeRequest = Omit<MergeOptions, 'onProgress'>

export interface MergeProgress {
  readonly done: number
  readonly total: number
}

/** Below what answers calls, as training is. On Linux the process 0 is the calling thread. */
if (process.platform === 'linux') setPriority(0, 19)

serve<MergeProgress>({
  merge: async (request: MergeRequest, emit): Promise<MergeResult> =>
    merge({ ...request, onProgress: (done, total) => { emit({ done, total }) } }),
})
