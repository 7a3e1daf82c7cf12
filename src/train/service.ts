/** The worker side of train(): one run beside its ONNX Runtime sessions. */
import { serve } from '../runtime/worker.ts'
import type { TrainEvent, TrainResult } from './events.ts'
import { runTraining, type RunRequest } from './run.ts'

let stopRequested = false

serve<TrainEvent>({
  run: (request: RunRequest, emit): Promise<TrainResult> => runTraining(request, emit, () => stopRequested),
  stop(): void {
    stopRequested = true
  },
})
