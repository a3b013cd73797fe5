/** The two kinds of panel that the boards use, with what every panel must have: a unit, a description, its queries. */
import {
  StackingConfigBuilder,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  AxisPlacement,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  DashboardLinkType,
  MappingType,
  SpecialValueMatch,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as GraphBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import {
  BytesIEC,
  BytesPerSecondIEC,
  NoUnit,
  OpsPerSecond,
  PercentUnit,
  RequestsPerSecond,
  Seconds,
  Short,
} from '@grafana/grafana-foundation-sdk/units';

/** What a panel's numbers are. `count` has no unit but its digits; `ratio` is shown in percent. Grafana has no `perHour`. */
const UNITS = {
  bytes: BytesIEC,
  bytesPerSecond: BytesPerSecondIEC,
  requestsPerSecond: RequestsPerSecond,
  eventsPerSecond: OpsPerSecond,
  perHour: 'suffix:per hour',
  ratio: PercentUnit,
  seconds: Seconds,
  count: Short,
  state: NoUnit,
} as const;

/** A number from which on it is shown in another colour. */
export interface Step {
  readonly from: number;
  readonly color: 'green' | 'yellow' | 'orange' | 'red' | 'blue';
}

export interface PanelOptions {
  readonly title: string;
  /** One line: what it shows, and what to make of it. */
  readonly description: string;
  readonly unit: keyof typeof UNITS;
  /** Expressions by legend, such as `{{upstream}}`. */
  readonly queries: Readonly<Record<string, string>>;
  /** Of the 24 columns of a board. */
  readonly width: number;
}

export type BoardPanel = StatBuilder | GraphBuilder;

/** What links to a board know it by. */
export function boardUid(name: string): string {
  return `imgapi-mirror-${name}`;
}

/** What `words` says of a disk that hangs or fails. */
export const UNTOLD = { NaN: { text: 'disk does not tell', color: 'orange' } } as const;

/** The key of `words` for a value that is no number. */
const NOT_A_NUMBER = 'NaN';

const STAT_ROWS = 4;
const GRAPH_ROWS = 8;

/** The newest value of each series, large. `words`: names for values; the key `NaN` for none. */
export function stat(
  options: PanelOptions & {
    /** Below the first step. Default: green. */
    readonly color?: Step['color'];
    readonly steps?: readonly Step[];
    readonly words?: Readonly<Record<string, { readonly text: string; readonly color: Step['color'] }>>;
    readonly decimals?: number;
    /** In place of a number where there is none. */
    readonly none?: string;
    /** The name of the board that has more of it. */
    readonly leadsTo?: string;
  },
): StatBuilder {
  const { color: plain = 'green', steps = [], words = {}, decimals, none = 'nothing yet', leadsTo } = options;
  const isNamed = Object.keys(options.queries).some((legend) => legend.includes('{{'));
  const panel = new StatBuilder()
    .height(STAT_ROWS)
    .noValue(none)
    .mappings(Object.entries(words).map(([value, { text, color }]) => mapping(value, text, color)))
    .thresholds(
      new ThresholdsConfigBuilder()
        .mode(ThresholdsMode.Absolute)
        .steps([{ value: null, color: plain }, ...steps.map(({ from, color }) => ({ value: from, color }))]),
    )
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.None)
    // By itself it hides the name where there is one series alone: of one mirror nobody would see the version.
    .textMode(isNamed ? BigValueTextMode.ValueAndName : BigValueTextMode.Value)
    // To Grafana NaN is null too: `lastNotNull` would pass over what has a word here.
    .reduceOptions(new ReduceDataOptionsBuilder().calcs([NOT_A_NUMBER in words ? 'last' : 'lastNotNull']));
  if (decimals !== undefined) panel.decimals(decimals);
  if (leadsTo !== undefined) {
    const url = `/d/${boardUid(leadsTo)}?\${__url_time_range}&\${__all_variables}`;
    panel.links([new DashboardLinkBuilder('More of it').type(DashboardLinkType.Link).url(url)]);
  }
  return described(panel, options, (query) => query.instant());
}

/** Lines over time; stacked where their sum means something. */
export function graph(
  options: PanelOptions & {
    readonly isStacked?: boolean;
    readonly max?: number;
    /** The end of the legends of lines with an axis of their own, at the right. */
    readonly rightAxis?: string;
  },
): GraphBuilder {
  const { isStacked = false, max, rightAxis } = options;
  const panel = new GraphBuilder()
    .height(GRAPH_ROWS)
    .min(0)
    .lineWidth(1)
    .fillOpacity(isStacked ? 30 : 5)
    .showPoints(VisibilityMode.Never)
    .stacking(new StackingConfigBuilder().mode(isStacked ? StackingMode.Normal : StackingMode.None))
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom),
    )
    // oxlint-disable-next-line unicorn/no-array-sort -- it is no array
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (max !== undefined) panel.max(max);
  if (rightAxis !== undefined) {
    panel.overrideByRegexp(`/${rightAxis}$/`, [{ id: 'custom.axisPlacement', value: AxisPlacement.Right }]);
  }
  return described(panel, options, (query) => query.range());
}

function described<Panel extends BoardPanel>(
  panel: Panel,
  { title, description, unit, queries, width }: PanelOptions,
  finish: (query: DataqueryBuilder) => DataqueryBuilder,
): Panel {
  panel.title(title).description(description).unit(UNITS[unit]).span(width).datasource(DATA_SOURCE);
  for (const [at, [legend, expr]] of Object.entries(queries).entries()) {
    const refId = String.fromCodePoint('A'.charCodeAt(0) + at);
    panel.withTarget(
      finish(new DataqueryBuilder().refId(refId).expr(expr).legendFormat(legend).datasource(DATA_SOURCE)),
    );
  }
  return panel;
}

/** The one chosen on the board. */
export const DATA_SOURCE = { type: 'prometheus', uid: '${datasource}' };

function mapping(value: string, text: string, color: Step['color']): ValueMapping {
  if (value !== NOT_A_NUMBER) return { type: MappingType.ValueToText, options: { [value]: { text, color } } };
  const match = SpecialValueMatch.NotANumber;
  return { type: MappingType.SpecialValue, options: { match, result: { text, color } } };
}
