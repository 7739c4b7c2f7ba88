"""
Words of payments' purposes that may be sent as they stand. Any other word may be a name, and is not.

Folded: lower case, without accents. Numbers, orders and words that could speak to a model are left out on purpose.
"""

from typing import Final

_ENGLISH: Final = """
a advance advertising aid air airfare alimony allowance and annual annuity apartment appliance appliances april arrears
as assistance at auction audit august auto balance ball bill bills birthday boat bonus book books bridge broker
brokerage building business by camp car care cargo cash catering charge charges charity chemicals child childcare
church cleaning clothes clothing coal coffee collection college commercial commission company component components
computer computers condo consignment construction consultancy consulting contract contractor contribution copper
cosmetics cost costs course credit crude customs daily day deal debt december deposit design diamonds diesel dividend
dividends donation dues education electric electricity electronics employee energy engineering engine equipment estate
expense expenses export exports express facility family farm fee fees february fertilizer final finance fine first fish
flight food for freight friday fuel fund funds furniture garden gas general gift gold goods grain grant grocery
groceries gym health help hire holiday home hospital hotel house household housing import imports in income instalment
installment insurance interest inventory invoice invoices iron jewelry january july june kids labor labour land laptop
lease legal lent lesson lessons license loan local logistics lunch machine machinery machines maintenance management
march marketing material materials may meal medical medicine membership metal metals monday monthly mortgage motor
moving music new november nursing october of office oil on order orders overtime paid paper partial parts party payment
payments payroll pension personal petrol pharmacy phone plastic plumbing postage premium primary printing private
product production products professional project property purchase purchases quarter quarterly raw rebate recurring
refund remittance renovation rent rental repair repairs repayment reservation retainer return roof salary sale sales
savings school second security seeds september service services settlement share shares ship shipment shipping shop
software steel stock storage subscription sugar sunday supplier supplies supply support tax taxes tea technology
tenant textile textiles the thanks third thursday ticket tickets tires to tools tour toys trade training transfer
transport transportation travel trip truck tuesday tuition university used utilities utility vacation vehicle vendor
vessel visa wage wages warehouse water wedding wednesday week weekly wheat wine with wood work yacht yarn year yearly
"""
_SPANISH: Final = """
abril agua alquiler anual bienes boda carro casa coche comida comision compra compras contrato credito cuota de del
deuda diciembre dividendo donacion enero escuela factura febrero flete fondos gastos hijos impuesto impuestos julio
junio la los luz marzo matricula mayo medicina mensual mercancia mercancias muebles nomina octubre pago pagos para por
prestamo regalo renta ropa salario seguro septiembre servicio servicios sueldo trabajo universidad venta viaje vivienda
"""
_FRENCH: Final = """
achat aout assurance avril cadeau charges commande contrat cotisation des dette don du ecole et facture factures
fevrier fournitures frais impot janvier juillet juin le les livraison location loyer maison mariage marchandises
materiel mensuel novembre octobre paiement pour pret prime remboursement salaire septembre travaux vente voiture voyage
"""
_GERMAN: Final = """
anzahlung april auto beitrag bestellung darlehen der die das dezember essen fahrzeug februar fur gehalt geschenk haus
hochzeit januar juli juni kaufpreis kaution kredit lieferung lohn maerz marz maschine miete mitgliedschaft monatlich
nebenkosten oktober rechnung reise reparatur schule spende steuer strom studium und unterhalt urlaub versicherung
vertrag ware waren wasser wohnung zahlung zinsen
"""
_PORTUGUESE: Final = """
agosto aluguel casamento conta doacao emprestimo escola fatura imposto mensalidade mercadorias pagamento presente
salario seguro servicos venda viagem
"""

WORDS: Final = frozenset(f"{_ENGLISH} {_SPANISH} {_FRENCH} {_GERMAN} {_PORTUGUESE}".split())
