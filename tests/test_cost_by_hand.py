"""Bills worked out by hand with round numbers: loans, fleets, rents, histories of chance, and every bad input."""

import dataclasses
import math

import numpy as np
import pytest

from dcserver import catalog, cost
from dcserver.energy import server_power
from dcserver.units import GB, TB, day, year

DGX = catalog.server("DGX H100")
HOURS = year / 3600


class TestMoney:
    def test_a_loan_over_two_years_by_hand(self):
        # 1.21 dollars of debt after two years of 10 %, paid by x (1.1 + 1).
        assert cost.annuity_factor(0.1, 2) == pytest.approx(1.21 / 2.1)
        assert cost.annuity_factor(0, 4) == 0.25
        assert cost.annuity_factor(np.array([0, 0.1]), 2) == pytest.approx([0.5, 1.21 / 2.1])
        assert cost.present_value([11, 12.1], 0.1) == pytest.approx(20)
        assert cost.present_value([11, 12.1], np.array([0.0, 0.1])) == pytest.approx([23.1, 20])
        assert cost.present_value(np.array([[11, 12.1], [22, 0]]), 0.1) == pytest.approx([20, 20])

    def test_capital_by_hand(self):
        # 100 bought, 21 % of it fetched after two years at 10 %: worth 0.21 / 1.21 less today.
        lost, interest = cost.capital_cost(100, 0.21, 0.1, 2)
        assert lost == pytest.approx(79 / 2)
        assert lost + interest == pytest.approx(100 * (1 - 0.21 / 1.21) * 1.21 / 2.1)
        assert cost.capital_cost(100, 0.2, 0, 4) == pytest.approx((20, 0))

    def test_a_rent_that_halves_each_year_by_hand(self):
        # Over a year: the mean of 2^-t is (1 - 1/2) / ln 2.
        assert cost.mean_rent(3.0, 0.5, 1.0) == pytest.approx(3 * 0.5 / math.log(2))
        # With interest both are discounted: (1 - 1/4) / ln 4 over (1 - 1/2) / ln 2 at a rate of 100 %.
        assert cost.mean_rent(3.0, 0.5, 1.0, 1.0) == pytest.approx(3 * (0.75 / math.log(4)) / (0.5 / math.log(2)))
        assert cost.mean_rent(3.0, -1.0, 1.0) == pytest.approx(3 / math.log(2))  # it doubles: 2^t
        assert cost.mean_rent(3.0, 0.0, np.array([1.0, 5.0])).tolist() == [3, 3]

    @pytest.mark.parametrize(("points", "student"), [
        (3, 3.08), (4, 1.89), (5, 1.64), (6, 1.53), (7, 1.48), (8, 1.44), (9, 1.41), (10, 1.40), (11, 1.38), (40, 1.30),
    ])  # fmt: skip
    def test_four_fits_of_five_by_the_table_of_student(self, points, student):
        # Logarithms +-1 about a level line, evenly: the tables' quantile at 90 % of points - 2 degrees (1.38 beyond 9).
        x = np.arange(points, dtype=float)
        y = np.where(np.arange(points) % 2, 0.1, -0.1)
        away = x - x.mean()
        slope = (away * (y - y.mean())).sum() / (away**2).sum()
        scatter = math.sqrt(((y - y.mean() - slope * away) ** 2).sum() / (points - 2))
        trend = cost.price_trend(x, np.exp(y))
        wide = student * scatter / math.sqrt((away**2).sum())
        assert trend.decline == pytest.approx(1 - math.exp(slope))
        assert trend.low == pytest.approx(1 - math.exp(slope + wide), rel=0.1, abs=2e-3)
        assert trend.high == pytest.approx(1 - math.exp(slope - wide), rel=0.1, abs=2e-3)
        if points < 12:
            assert (trend.low, trend.high) == pytest.approx((1 - math.exp(slope + wide), 1 - math.exp(slope - wide)))
        assert trend.scatter == pytest.approx(math.exp(scatter) - 1)
        assert trend.today == pytest.approx(math.exp(y.mean() + slope * away[-1]))

    def test_growth_by_hand(self):
        assert cost.compound(3.0, 0.5, 2) == pytest.approx(6.75)
        assert cost.compound(3.0, -1, 2) == 0
        assert cost.implied_growth(4.0, 9.0, 2.0) == pytest.approx(0.5)
        assert cost.compound(3.0, np.array([0, 1]), 2).tolist() == [3, 12]


class TestRent:
    def test_bills_by_hand(self):
        # 61 s by the minute are 2, at least 3 where that is the least; nothing is nothing.
        assert cost.billed(61, 60) == 120
        assert cost.billed(60, 60) == 60
        assert cost.billed(61, 60, 180) == 180
        assert cost.billed(1.5) == 2
        assert cost.billed(0, 60, 180) == 0
        assert cost.billed(np.array([0, 61]), 60).tolist() == [0, 120]

    def test_data_out_by_its_tiers(self):
        prices = [catalog.price(f"data out {t}").price for t in
                  ("first 10 TB", "next 40 TB", "next 100 TB", "above 150 TB")]  # fmt: skip
        for tb, in_tiers in ((4, (4, 0, 0, 0)), (30, (10, 20, 0, 0)), (90, (10, 40, 40, 0)), (250, (10, 40, 100, 100))):
            by_hand = sum(1000 * part * p for part, p in zip(in_tiers, prices, strict=True))
            assert cost.egress(tb * TB, free=0) == pytest.approx(by_hand)
            assert cost.egress(tb * TB + 5 * GB, free=5 * GB) == pytest.approx(by_hand)
        c = catalog.constants("cost") | {"egress_free": 2 * TB}
        assert cost.egress(6 * TB, constants=c) == pytest.approx(4000 * prices[0])
        assert cost.egress(1 * TB, constants=c) == 0
        assert cost.egress(0.5 * GB, free=0) == pytest.approx(prices[0] / 2)  # cents are not rounded away

    def test_contracts_and_reclaims_by_hand(self):
        assert cost.committed(3.0, 0.25) == 12
        # Half of the servers go in a month: ln 2 a month each.
        assert cost.reclaim_rate(0.5) * year / 12 == pytest.approx(math.log(2))
        assert cost.reclaim_rate(0.5, 3) == pytest.approx(3 * cost.reclaim_rate(0.5))

    def test_spot_by_hand(self):
        # An interruption in 1,000 s, 900 of work, 100 to save, ln 2 x 1,000 to begin again: 2 (e - 1) 1,000 s are paid.
        s = cost.spot(3.0, 1e-3, 900.0, 100.0, 1000 * math.log(2), 500.0)
        paid = 2000 * (math.e - 1) / 900
        assert s.paid_ratio == pytest.approx(paid)
        assert s.elapsed_ratio == pytest.approx(paid * 1.5)  # 500 s of waiting in each 1,000 paid
        assert (s.price, s.asked, s.interval) == (pytest.approx(3 * paid), 3, 900)
        assert s.breakdown == pytest.approx({"asked": 3, "lost and repeated": 3 * paid - 3})

    def test_spot_saves_a_minute_and_begins_again_in_ten_if_nothing_is_said(self):
        assert cost.spot(3.0, 1e-4) == cost.spot(3.0, 1e-4, cost.best_interval(1e-4, 60.0), 60.0, 600.0, 0.0)
        quiet = cost.spot(3.0, 0.0)
        assert quiet.interval == 7 * day
        assert quiet.paid_ratio == pytest.approx(1 + 60 / (7 * day))

    def test_the_best_interval_solves_its_equation_between_a_second_and_a_week(self):
        for rate, save in ((1e-3, 100.0), (1e-5, 60.0), (1e-2, 300.0)):
            w = cost.best_interval(rate, save)
            assert math.exp(-rate * (w + save)) == pytest.approx(1 - rate * w, rel=1e-9)
        assert cost.best_interval(1e-3, 0.0) == 1
        assert cost.best_interval(1e-12, 1e4) == cost.best_interval(0.0, 60.0) == 7 * day
        assert cost.best_interval(np.array([0.0, 1e-3]), 100.0)[1] == cost.best_interval(1e-3, 100.0)

    def test_fifty_interruptions_in_a_stretch_are_the_most(self):
        assert cost.spot(1.0, 0.05, 900.0, 50.0, 49.0).paid_ratio > 1e15
        with pytest.raises(ValueError, match="undisturbed"):
            cost.spot(1.0, 0.05, 900.0, 50.0, 51.0)

    def test_histories_without_chance_are_work_and_checkpoints(self):
        assert cost.simulate_spot(1000.0, 1e-15, 100.0, 10.0, 5.0, runs=3).tolist() == pytest.approx([1100] * 3)
        assert cost.simulate_spot(1001.0, 1e-15, 100.0, 10.0, runs=2).tolist() == pytest.approx(
            [1210] * 2
        )  # rounded up
        assert cost.simulate_spot(10.0, 1e-15, 100.0).tolist() == pytest.approx([160] * 1000)
        first, again, other = (cost.simulate_spot(1e4, 1e-3, 100.0, runs=5, seed=s).tolist() for s in (1, 1, 2))
        assert first == again != other
        assert cost.simulate_spot(1e4, 1e-3, 100.0, runs=5).tolist() == cost.simulate_spot(1e4, 1e-3, 100.0, 60.0, 600.0,
                                                                                           5, 0).tolist()  # fmt: skip


class TestBreakEven:
    def test_months_by_hand(self):
        # A purchase of 876.6 dollars against 1 dollar an hour for half of the hours: 876.6 / (8766 / 12 / 2) months.
        assert cost.break_even_months(876.6, 0.0, 1.0, 0.5) == pytest.approx(2.4, abs=0.01)
        assert cost.break_even_months(876.6, 0.1, 1.0, 0.5) == pytest.approx(3.0, abs=0.01)
        assert cost.break_even_months(0.0, 0.0, 1.0) == 0
        assert cost.break_even_months(8766.0, 0.0, 1.0, 0.5, horizon=20) == np.inf  # it would take 24
        assert cost.break_even_months(8766.0, 0.0, 1.0, 0.5) == pytest.approx(24, abs=0.01)
        assert cost.break_even_months(8766.0, 0.0, 1.0) == pytest.approx(12 / 0.7, abs=0.01)  # busy for 0.7, as usual

    def test_both_sides_by_hand(self):
        # After a year at 100 % interest, a resale of 80 % that halves: 0.8 x 1/2 x 1/2 of the price is fetched.
        owned, rented = cost.rent_or_own(12, 1000.0, 0.1, 1.0, 0.5, 0.5, 0.8, 0.5, 1.0)
        run = 876.6 * 0.5 / math.log(2)
        assert owned == pytest.approx(1000 * (1 - 0.2) + run)
        assert rented == pytest.approx(8766 / 2 * 0.75 / math.log(4))
        assert cost.rent_or_own(12, 1000.0, 0.1, 1.0) == pytest.approx((1000 + 876.6, 0.7 * 8766))
        assert cost.rent_or_own(0, 1000.0, 0.1, 1.0, resale=0.9) == pytest.approx((100, 0))

    def test_utilization_by_hand(self):
        assert cost.break_even_utilization(2.0, 0.5, 4.5) == 0.5
        assert cost.break_even_utilization(2.0, 0.5, np.array([0.4, 0.5, 4.5])).tolist() == [np.inf, np.inf, 0.5]
        assert cost.break_even_utilization(2.0, 0.5, 1.25) == pytest.approx(2 / 0.75)


class TestWorlds:
    def test_a_triangle_by_hand(self):
        # From 0 over 1 to 4: a quarter of the area lies below 1, and half above 4 - sqrt(6).
        x = cost.draws({"a": (0.0, 1.0, 4.0)}, 200_000, 1)["a"]
        assert np.mean(x < 1) == pytest.approx(0.25, abs=0.005)
        assert np.median(x) == pytest.approx(4 - math.sqrt(6), abs=0.01)
        assert x.var() == pytest.approx((0 + 1 + 16 - 0 - 0 - 4) / 18, rel=0.01)
        assert cost.draws({"a": (2.0, 2.0, 2.0)}, 3)["a"].tolist() == [2, 2, 2]
        assert cost.draws({"a": (0.0, 0.0, 1.0)}, 10_000)["a"].mean() == pytest.approx(1 / 3, rel=0.02)

    def test_luck_is_that_of_the_seed(self):
        ranges = {"a": (0.0, 1.0, 4.0), "b": (0.0, 1.0, 2.0)}
        seeds = [cost.uncertain(lambda a, b: a * b, ranges, 50, s).values.tolist() for s in (0, 0, 1)]
        assert seeds[0] == seeds[1] != seeds[2]
        assert seeds[0] == cost.uncertain(lambda a, b: a * b, ranges, 50).values.tolist()
        assert cost.uncertain(lambda a, b: a, ranges).values.size == 100_000

    def test_a_spread_by_hand(self):
        s = cost.Spread(np.arange(11.0), {"up": np.arange(11.0), "down": -(np.arange(11.0) ** 3), "still": np.ones(11)})
        assert (s.median, s.interval, s.quantile(0.3)) == (5, (1, 9), 3)
        assert s.share_below(4) == pytest.approx(5 / 11)
        assert s.importance() == pytest.approx({"up": 1, "down": -1})
        assert s.quantile(np.array([0, 1])).tolist() == [0, 10]

    def test_the_tornado_has_the_longest_bar_first(self):
        found = cost.tornado(lambda a, b: a + 10 * b, {"a": (0, 1, 5), "b": (1, 1, 2)})
        assert list(found.items()) == [("b", (11, 21)), ("a", (10, 15))]
        # Its length counts, not where it lies: from -5 to 5 is longer than from 100 to 101.
        assert list(cost.tornado(lambda a, b: a + b, {"b": (100, 100, 101), "a": (-5, 0, 5)})) == ["a", "b"]


class TestOwning:
    def test_every_part_of_a_fleet_by_hand(self):
        q = {"server_price": 1000.0, "utilization": 0.5, "years": 2.0, "rate": 0.1, "residual": 0.0, "tariff": 1e-8,
             "pue": 1.5, "colocation_price": 0.25, "network_share": 0.2, "storage_share": 0.1, "salary": 60.0,
             "servers_per_administrator": 4.0, "software": 7.0, "maintenance": 0.05, "decommissioning": 0.01}  # fmt: skip
        c = catalog.constants("cost") | {"idle_share": 0.1, "load_share": 0.8, "facility_years": 10.0}
        fleet = cost.own(DGX, 2, **q, constants=c)
        busy = 2 * server_power(DGX, 0.8 * 700.0, 0.3).total
        idle = 2 * server_power(DGX, 0.1 * 700.0, 0.0).total
        drawn = (busy + idle) / 2 * year * 1e-8
        recovery = 1.21 / 2.1  # of each dollar bought, a year
        by_hand = {
            "servers": 2000 / 2, "network and storage": 600 / 2, "interest": 2600 * (recovery - 0.5),
            "space": 0.25 * 2 * DGX.max_power, "electricity": drawn, "cooling": drawn / 2, "staff": 2 / 4 * 60,
            "software": 7 * 16, "maintenance": 0.05 * 2600, "decommissioning": 0.01 * 2600 * recovery / 1.21,
        }  # fmt: skip
        assert fleet.breakdown == pytest.approx(by_hand)
        assert fleet.total == pytest.approx(sum(by_hand.values()))
        assert (fleet.accelerators, fleet.utilization, fleet.price) == (16, 0.5, pytest.approx(2600))
        assert fleet.spared == pytest.approx((busy - idle) / 2 * year * 1e-8 * 1.5)
        assert fleet.per_hour == pytest.approx(fleet.total / 16 / HOURS)
        assert fleet.per_used_hour == pytest.approx(2 * fleet.per_hour)
        assert fleet.fixed_per_hour == pytest.approx((fleet.total - fleet.spared) / 16 / HOURS)
        assert fleet.variable_per_used_hour == pytest.approx(fleet.spared / 16 / HOURS / 0.5)
        # Fixed hours and worked hours make the whole again.
        assert fleet.fixed_per_hour + 0.5 * fleet.variable_per_used_hour == pytest.approx(fleet.per_hour)

    def test_a_building_by_hand(self):
        c = catalog.constants("cost") | {"facility_years": 10.0}
        rented, built = (
            cost.own(DGX, 2, own_building=b, facility_price=5.0, rate=0.1, constants=c) for b in (False, True)
        )
        price = 5 * 2 * DGX.max_power
        assert built.space == pytest.approx(price / 10)
        assert built.interest - rented.interest == pytest.approx(price * (cost.annuity_factor(0.1, 10) - 0.1))

    def test_watts_installed_are_worked_out_where_no_sheet_says(self):
        bare = dataclasses.replace(DGX, max_power=float("nan"))
        most = server_power(DGX, 700.0, 0.3).total
        assert cost.own(bare, colocation_price=2.0).space == pytest.approx(2 * most)
        steady = cost.own(DGX, accelerator_power=0.0, tariff=1e-8)
        assert steady.variable_per_used_hour >= 0

    @pytest.mark.parametrize(("name", "value"), [
        ("servers", 0), ("servers_per_administrator", 0), ("utilization", 0.001), ("utilization", 1.1), ("pue", 0.9),
        ("pue", 5.1), ("tariff", -1), ("colocation_price", -1), ("facility_price", -1), ("network_share", -1),
        ("storage_share", -1), ("salary", -1), ("software", -1), ("maintenance", -1), ("decommissioning", -1),
    ])  # fmt: skip
    def test_bad_input_is_named(self, name, value):
        with pytest.raises(ValueError, match=f"{name}={value}"):
            cost.own(DGX, **{name: value})


GOOD = {
    "annuity_factor": {"rate": 0.1, "years": 2}, "capital_cost": {"price": 1, "residual": 0.1, "rate": 0.1, "years": 2},
    "mean_rent": {"rent": 1, "years": 2, "rate": 0.1, "decline": 0.1}, "implied_growth": {"start": 1, "end": 2, "years": 2},
    "compound": {"value": 1, "growth": 0.1, "years": 2}, "billed": {"seconds": 1, "granularity": 1, "minimum": 0},
    "egress": {"bytes_a_month": 1, "free": 0}, "committed": {"price": 1, "utilization": 0.5},
    "reclaim_rate": {"monthly_share": 0.1, "servers": 1},
    "spot": {"price": 1, "interruptions": 1e-4, "interval": 10, "checkpoint": 1, "restart": 1, "wait": 1},
    "best_interval": {"interruptions": 1e-4, "checkpoint": 1},
    "simulate_spot": {"work": 10, "interruptions": 1e-4, "interval": 10, "checkpoint": 1, "restart": 1, "runs": 2},
    "break_even_utilization": {"fixed_per_hour": 1, "variable_per_used_hour": 1, "rent": 2},
    "rent_or_own": {"months": 1, "price": 1, "running": 1, "rent": 1, "utilization": 0.5, "price_decline": 0.1,
                    "resale": 0.1, "resale_decline": 0.1, "rate": 0.1},
    "break_even_months": {"price": 1, "running": 1, "rent": 1, "horizon": 60},
    "stated_cost": {"instance_price": 1, "hours": 1, "transfer": 1, "staff": 1},
    "token_price": {"tokens_per_second": 1, "price": 1, "accelerators": 1, "utilization": 0.5},
}  # fmt: skip
FREE = {("compound", "years")}


@pytest.mark.parametrize(("name", "argument"), [(n, a) for n, q in GOOD.items() for a in q if (n, a) not in FREE])
def test_no_input_may_be_far_below_nothing(name, argument):
    ask = getattr(cost, name)
    ask(**GOOD[name])  # as it stands it is fine
    with pytest.raises(ValueError, match=f"{argument}=-2"):
        ask(**(GOOD[name] | {argument: -2}))


@pytest.mark.parametrize(("name", "argument", "value"), [
    ("annuity_factor", "years", 0), ("annuity_factor", "rate", 11), ("capital_cost", "residual", 1.1),
    ("mean_rent", "years", 0), ("mean_rent", "decline", 1.0), ("implied_growth", "start", 0), ("implied_growth", "end", 0),
    ("implied_growth", "years", 0), ("billed", "granularity", 0), ("committed", "utilization", 1.1),
    ("reclaim_rate", "monthly_share", 1.0), ("reclaim_rate", "servers", 1.5), ("spot", "interval", 0),
    ("simulate_spot", "work", 0), ("simulate_spot", "interval", 0), ("simulate_spot", "runs", 0),
    ("rent_or_own", "utilization", 1.1), ("rent_or_own", "resale", 1.1), ("rent_or_own", "price_decline", 1.0),
    ("rent_or_own", "resale_decline", 1.0), ("rent_or_own", "rate", 11), ("break_even_months", "horizon", 0),
    ("token_price", "tokens_per_second", 0), ("token_price", "accelerators", 0), ("token_price", "utilization", 1.1),
])  # fmt: skip
def test_what_is_out_of_range_is_named(name, argument, value):
    with pytest.raises(ValueError, match=f"{argument}={value:g}"):
        getattr(cost, name)(**(GOOD[name] | {argument: value}))


def test_sums_by_the_documents_and_by_the_token():
    assert cost.stated_cost(2.0, 3.0, 5.0, 7.0) == 18
    assert cost.stated_cost(2.0, 3.0) == 6
    # Two cards at 3.60 an hour, busy for half of it at 1,000 tokens a second: 7.20 dollars for 1.8 million.
    assert cost.token_price(1000, 3.6, 2, 0.5) == pytest.approx(4)
    assert cost.token_price(1000, 3.6) == pytest.approx(1)
