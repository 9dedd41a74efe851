"""Dropout that keeps next to nothing."""

from slimtrain.jobs.lints.dropping import SCARCE, heavy_dropout


def test_a_share_to_drop_written_as_the_share_to_keep(build, told):
    net = build("flatten", "dropout: {keep_prob: 0.02}")
    assert told(heavy_dropout(net.document)) == [
        "net.yaml:9:15: dropout 'Dropout': keep_prob 0.02 drops 98.0% of the values and multiplies the others by 50; "
        "keep_prob is the share that stays: 0.98 drops 2.0%"
    ]


def test_a_scope_is_told_once(build):
    (problem,) = heavy_dropout(build("dropout", "dropout", scope="{ops: dropout, keep_prob: 0.01}").document)
    assert problem.where == "arg_scope" and "(in 2 layers, 'Dropout' the first)" in problem.what


def test_ordinary_shares_are_not_told(build):
    net = build(*(f"dropout: {{keep_prob: {share}}}" for share in (1, 0.5, 0.1, SCARCE)))
    assert heavy_dropout(net.document) == []
