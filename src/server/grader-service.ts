/** The worker side of trying out a grader: whatever its spec holds, the server's own thread does not wait for it. */
import { openGrader, type Grade, type GradedSample } from '../evaluate/graders/index.ts'
import { serve } from '../runtime/worker.ts'

export interface GradeRequest {
  /** Of a grader that was checked; it comes from the network. */
  readonly spec: unknown
  readonly sample: GradedSample
}

serve({
  start: () => undefined,

  async grade({ spec, sample }: GradeRequest): Promise<Grade> {
    const grader = await openGrader(spec)
    try {
      const [grade] = await grader.grade([sample])
      return grade!
    } finally {
      await grader.close()
    }
  },
})
