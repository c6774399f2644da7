"""Claims on prices, savings and markets, recomputed with the model of cost."""

from __future__ import annotations

from dcserver import catalog, cost, sharing
from dcserver.claims.evidence import Evidence, Numbers, only_if, recomputes
from dcserver.claims.records import records


def _report(claim: str) -> float:
    """What the document states in one of its claims."""
    return records()[claim].low


def _others() -> dict[str, tuple[float, float]]:
    """Two other reports on the market: dollars in 2025 and growth a year."""
    names = ("GPU cloud computing, world", "GPU as a service, world")
    return {n: (catalog.price(n).price, g) for n, g in zip(names, records()["D2-29"].references, strict=True)}


@recomputes("D0-09")
def share_of_the_cards() -> Numbers:
    """Cards and their board of a DGX H100's price, with the maker's margin and without."""
    parts = {p.name: p.price for p in catalog.table("prices").values() if p.category == "parts"}
    board = next(v for n, v in parts.items() if "eight accelerators on their board" in n)
    margin = next(v for n, v in parts.items() if "margin" in n)
    return [board / sum(parts.values()), board / (sum(parts.values()) - margin)]


@recomputes("D0-26")
def share_of_the_purchase() -> Numbers:
    """Purchase of 16 DGX H100 in what is spent in five years; purchase with interest in the cost of an hour."""
    spent = cost.own(catalog.server("DGX H100"), 16, utilization=0.7)
    capital = spent.servers + spent.network_and_storage + spent.interest
    return [float(spent.price / (spent.price + 5 * (spent.total - capital))), float(capital / spent.total)]


@recomputes("D1-01")
def demand() -> Numbers:
    """Accelerated servers sold in China, 2023 over 2022 (IDC)."""
    before, after = (catalog.price(f"accelerated servers sold in China ({y})").price for y in (2022, 2023))
    return after / before - 1


@recomputes("D2-01")
def price_of_an_a100() -> Evidence:
    """A card's share of a DGX A100 at launch, and a used one; then an H100."""
    used = [catalog.price(f"A100 80GB refurbished/used, {end}").price for end in ("low", "high")]
    newer = [catalog.price(f"H100 ({end} estimate of sale price)").price for end in ("low", "high")]
    return only_if([catalog.server("DGX A100 320GB").price / 8, *used], {"for an H100": newer})


@recomputes("D2-02")
def rent_of_an_a100() -> Numbers:
    """Quotes for an hour of an A100, on demand and spot."""
    kinds = [cost.quotes(card, kind) for card in ("A100 40GB", "A100 80GB") for kind in ("on-demand", "spot")]
    return [price for quotes in kinds for price in quotes.values()]


@recomputes("D2-09")
def wages() -> Evidence:
    """No survey of the documents' country is at hand; the median wage in the United States, in yuan."""
    wage, yuan = (catalog.price(name).price for name in ("systems administrator", "yuan"))
    return only_if([], {"at the median wage of the United States": wage / yuan})


def _saved(rent: float) -> dict[str, Numbers]:
    """Share saved by renting, against own A100 as busy as published clusters are."""
    fleet = cost.own(catalog.server("DGX A100 320GB"), 16)
    busy = {row["where"]: float(row["value"]) for row in sharing.published("gpu_utilization")}
    return {f"own cards as busy as {name}": 1 - rent / (fleet.fixed_per_hour / busy[name] + fleet.variable_per_used_hour)
            for name in ("Alibaba PAI, 2020", "Philly, 2017")}  # fmt: skip


@recomputes("D2-13")
def saved_by_moving() -> Evidence:
    """The project is not named; a rent of 1.29 dollars against own A100 at uses that were published."""
    return only_if([], _saved(min(cost.quotes("A100 40GB").values())))


@recomputes("D2-37")
def saved_by_not_owning() -> Evidence:
    """The project is not named either; at the same rent."""
    return only_if([], _saved(min(cost.quotes("A100 40GB").values())))


@recomputes("D2-28")
def market() -> Evidence:
    """What two other reports say of 2025, taken back to 2023 at their own growth."""
    return only_if(
        [], {f"{name}, another report": price / (1 + rate) ** 2 for name, (price, rate) in _others().items()}
    )


@recomputes("D2-29")
def growth() -> Numbers:
    """Growth a year from the document's figure of 2023 to its own figure of 2030."""
    return float(cost.implied_growth(_report("D2-28"), _report("D2-30"), 7))


@recomputes("D2-30")
def market_of_2030() -> Numbers:
    """2030 by the document's own growth, and by two other reports at theirs."""
    own = cost.compound(_report("D2-28"), _report("D2-29"), 7)
    return [float(own), *(float(cost.compound(price, rate, 5)) for price, rate in _others().values())]


@recomputes("D2-47")
def formula() -> Evidence:
    """Share of a tenant's cost that the formula holds, and of an owner's."""
    tenant = cost.stated_cost(instance_price=2.0, hours=1000, transfer=0, staff=0) / 2000.0
    fleet = cost.own(catalog.server("DGX H100"), 16, utilization=0.7)
    return only_if(float(tenant), {"for an owner": float(fleet.staff / fleet.total)})


@recomputes("D2-50")
def rendering() -> Numbers:
    """Memory of the T4 in a g4dn.xlarge."""
    return catalog.accelerator("T4").memory_bytes
