/** What all boards have in common: their variables, how they lead to each other, and rows of panels. */
import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
  type Dashboard,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DATA_SOURCE, type BoardPanel } from './panel.ts';

export interface BoardOptions {
  /** Also the file's name, and the end of the board's uid: links to it hold for ever. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** True: there is a variable for upstreams. */
  readonly hasUpstreams?: boolean;
  readonly rows: readonly { readonly title: string; readonly panels: readonly BoardPanel[] }[];
}

export interface Board {
  readonly name: string;
  readonly dashboard: Dashboard;
}

/** All boards have it: by it they find each other. */
const TAG = 'imgapi-mirror';

export function createBoard({ name, title, description, hasUpstreams = false, rows }: BoardOptions): Board {
  const board = new DashboardBuilder(`imgapi-mirror: ${title}`)
    .uid(`imgapi-mirror-${name}`)
    .description(description)
    .tags([TAG])
    .time({ from: 'now-6h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .annotations([])
    .link(
      new DashboardLinkBuilder('imgapi-mirror')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .includeVars(true)
        .keepTime(true),
    )
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
    .withVariable(valuesVariable('instance', 'Mirror', 'imgapi_mirror_build_info'));
  if (hasUpstreams) {
    const metric = 'imgapi_mirror_upstream_up{instance=~"$instance"}';
    board.withVariable(valuesVariable('upstream', 'Upstream', metric));
  }
  let id = 0;
  for (const row of rows) {
    board.withRow(new RowBuilder(row.title).id((id += 1)));
    for (const panel of row.panels) board.withPanel(panel.id((id += 1)));
  }
  return { name, dashboard: board.build() };
}

/** A choice of any number of a label's values. All of them is the list of them: series of others stay out. */
function valuesVariable(label: string, title: string, metric: string): QueryVariableBuilder {
  const query = `label_values(${metric}, ${label})`;
  return (
    new QueryVariableBuilder(label)
      .label(title)
      .datasource(DATA_SOURCE)
      .query({ query, refId: 'values' })
      .definition(query)
      .refresh(VariableRefresh.OnTimeRangeChanged)
      // oxlint-disable-next-line unicorn/no-array-sort -- it is no array
      .sort(VariableSort.AlphabeticalAsc)
      .multi(true)
      .includeAll(true)
      .current({ text: ['All'], value: ['$__all'], selected: true })
  );
}
