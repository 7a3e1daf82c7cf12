/** The worker side of train(): one run beside its ONNX Runtime sessions. */
import { serve } from '../runtime/worker.ts'
import type { TrainEvent, TrainResult } from './events.ts'
import { runTraining, type RunRequest } from './run.ts'
import type { StopRequest } from './stop.ts'

let asked: StopRequest | undefined

serve<TrainEvent>({
  run: (request: RunRequest, emit): Promise<TrainResult> => runTraining(request, emit, () => asked),
  stop(): void {
    asked = 'pause'
  },
})
