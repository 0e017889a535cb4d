from network.errors import FedledgerError


def test_an_error_reads_as_a_sentence_with_place_and_advice():
    error = FedledgerError("FL1999", "the disk is full", where="/data", hint="Free some space.")
    assert str(error) == "FL1999: the disk is full (/data). Free some space."
    assert str(FedledgerError("FL1999", "the disk is full")) == "FL1999: the disk is full."
    assert error.as_json() == {
        "code": "FL1999",
        "message": "the disk is full",
        "where": "/data",
        "hint": "Free some space.",
    }
