# Files mail by the header fields of Hoptrail: the same as hoptrail.rc, for Sieve (RFC 5228).
#
# Written with what every server has: no regular expressions. ":contains" takes its text as it stands, so stars need
# no escape (with ":matches" they would be wildcards), and fields are unfolded before they are compared. ":create"
# (RFC 5490) makes a folder where it is missing. Nothing is thrown away; the first rule that fits files the message.

require ["fileinto", "mailbox", "date", "variables"];

# A contradicted chain. The key is always there, so "not 0" is "1 or more".
if allof (exists "X-Hoptrail-Path", not header :contains "X-Hoptrail-Path" "; forged=0;") {
    fileinto :create "Forged";
    stop;
}

# A score of 10 or more: one star a point. The month is the one the message is filed in (RFC 5260).
if header :contains "X-Spam-Level" "**********" {
    if currentdate :matches "date" "????-??-??" {
        set "month" "${1}${2}${3}${4}-${5}${6}";
    }
    fileinto :create "Spam.${month}";
    stop;
}

# A block list names the address and no allow list vouches for it.
if allof (header :contains "X-Hoptrail-DNSBL" "=listed", not header :contains "X-Hoptrail-DNSBL" "=allowed") {
    fileinto :create "Listed";
    stop;
}

# An address whose country nobody knows. "country" is the last key of the field, "ip" the first.
if allof (header :matches "X-Hoptrail-Origin" "*; country=unknown",
          not header :contains "X-Hoptrail-Origin" "; ip=unknown;") {
    fileinto :create "Unknown-country";
    stop;
}

# Not scored though it should have been. The reasons "authenticated" and "trusted" are on purpose.
if header :is "X-Spam-Status" ["Unscored, reason=size", "Unscored, reason=timeout", "Unscored, reason=unavailable",
                               "Unscored, reason=busy", "Unscored, reason=breaker", "Unscored, reason=error"] {
    fileinto :create "Unscored";
    stop;
}
