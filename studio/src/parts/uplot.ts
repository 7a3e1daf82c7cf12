/** uPlot and its style sheet, apart from the first load: fetched when the first chart is drawn. */
import 'uplot/dist/uPlot.min.css'

export { default } from 'uplot'
