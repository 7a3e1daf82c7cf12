/** The worker side of advice and estimates: reading and rendering rows would hold up the server's thread. */
import { serve } from '../runtime/worker.ts'
import { estimateRecipe, giveAdvice } from './gather.ts'

serve({ advise: giveAdvice, estimate: estimateRecipe })
