import { Button } from "@mantine/core";
import { IconMapQuestion } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link, Route, Switch } from "wouter";

import { Library } from "./library/Library";
import { RunPage } from "./runs/RunPage";
import { RunsPage } from "./runs/RunsPage";
import { useRunEvents } from "./runs/useRuns";
import { Banner } from "./shell/Banner";
import { Header } from "./shell/Header";
import { KeyDialog } from "./shell/KeyDialog";
import { State } from "./shell/StateOf";

export function App() {
  useRunEvents();
  return (
    <>
      <Switch>
        <Route path="/" component={Library} />
        <Route path="/runs" component={RunsPage} />
        <Route path="/runs/:id">{({ id }) => <RunPage id={id} />}</Route>
        <Route component={Nowhere} />
      </Switch>
      <Banner />
      <KeyDialog onGiven={() => location.reload()} />
    </>
  );
}

function Nowhere() {
  const { t } = useTranslation();
  return (
    <>
      <Header />
      <main id="content">
        <State
          icon={<IconMapQuestion size={44} stroke={1.3} aria-hidden />}
          title={t("state.nowhere")}
          heading="h1"
          acts={
            <Button component={Link} href="/" variant="default">
              {t("nav.home")}
            </Button>
          }
        />
      </main>
    </>
  );
}
