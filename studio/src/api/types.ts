import type { wireJob } from '../../../src/server/routes/jobs-wire.ts'

export type Job = ReturnType<typeof wireJob>
